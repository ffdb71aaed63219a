# weft_layer(<name> SOURCES <file>... HEADERS <public header>... [DEPENDS <layer or target>...] [PRIVATE_DEPENDS <target>...])
#
# A folder is a layer is a target: src/<name> becomes weft_<name>, alias weft::<name>. Public headers live in
# include/weft/<name>. DEPENDS names what the public headers need (layers by their alias).
function(weft_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  set(target weft_${name})
  add_library(${target} ${arg_SOURCES})
  add_library(weft::${name} ALIAS ${target})
  list(TRANSFORM arg_HEADERS PREPEND ${PROJECT_SOURCE_DIR}/include/weft/${name}/)
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${arg_HEADERS})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_features(${target} PUBLIC cxx_std_23)
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_PRIVATE_DEPENDS})
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name} CXX_EXTENSIONS OFF
    POSITION_INDEPENDENT_CODE ON)
  weft_warnings(${target})
endfunction()

# The warnings that our own targets are built with; never a user's.
function(weft_warnings target)
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
  endif()
endfunction()

# weft_test(<layer> <name> [LIBRARIES <target>...] [LABELS <label>...] [TIMEOUT <seconds>])
#
# tests/<layer>/<name>.cpp becomes the GoogleTest program <layer>_<name>, each case a ctest.
function(weft_test layer name)
  cmake_parse_arguments(arg "" "TIMEOUT" "LIBRARIES;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set(target ${layer}_${name})
  add_executable(${target} ${name}.cpp)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${target} PRIVATE weft::${layer} ${arg_LIBRARIES} GTest::gtest_main)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  weft_warnings(${target})
  gtest_discover_tests(${target} TEST_PREFIX "${layer}." DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${layer};${arg_LABELS}")
endfunction()
