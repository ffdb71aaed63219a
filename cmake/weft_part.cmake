# weft_part(<name> [SOURCES <file>...] [HEADERS <header>...] [DEPENDS <part or target>...]
#           [PRIVATE_DEPENDS <part or target>...] [BUILD_DEPENDS <target>...])
#
# A folder is a part is a target: weft/<name> becomes weft_<name>, alias weft::<name>, installed under that name.
# HEADERS are installed: those in the folder itself are what users include; those in detail/ are here because a public
# template needs them. DEPENDS names what the headers need (parts by their alias), PRIVATE_DEPENDS what only the sources
# need and programs must link, BUILD_DEPENDS what only compiling the sources needs (header-only libraries). Without
# SOURCES the part is its headers. tests/project/check_layers.py reads DEPENDS and PRIVATE_DEPENDS: a part includes
# itself and the parts that it names, no other. weft_dependencies.cmake finds the libraries of others.
function(weft_part name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;DEPENDS;PRIVATE_DEPENDS;BUILD_DEPENDS" ${ARGN})
  set(target weft_${name})
  list(TRANSFORM arg_BUILD_DEPENDS REPLACE "(.+)" "$<BUILD_INTERFACE:\\1>")
  if(arg_SOURCES)
    set(scope PUBLIC)
    add_library(${target} ${arg_SOURCES})
    target_link_libraries(${target} PRIVATE ${arg_PRIVATE_DEPENDS} ${arg_BUILD_DEPENDS})
    set_target_properties(${target} PROPERTIES
      CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
    # GCC otherwise inlines no function that has a symbol into another: a program might replace it.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU,Clang>:-fno-semantic-interposition>)
    # Some of weft's own files are not instrumented in a build that is.
    target_compile_definitions(${target} PRIVATE WEFT_SKIP_BUILD_MATCH)
    weft_warnings(${target})
  else()
    set(scope INTERFACE)
    add_library(${target} INTERFACE)
  endif()
  add_library(weft::${name} ALIAS ${target})
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${arg_HEADERS})
  target_compile_features(${target} ${scope} cxx_std_23)
  target_link_libraries(${target} ${scope} ${arg_DEPENDS})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY weft_parts ${name})
  if(WEFT_INSTALL)
    install(TARGETS ${target} EXPORT weft
      LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
      FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  endif()
endfunction()

# weft_not_instrumented(<source>...): compiled without what -fsanitize adds. For code that a signal handler runs in the
# middle of a sanitizer's own, and for code that reads memory as bytes.
function(weft_not_instrumented)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS
    "$<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-fno-sanitize=all>")
endfunction()

# Sets `flags` to what makes large frames touch each page of the stack, and `gcc_flags` to what GCC needs besides for
# arguments that are passed by value: Clang refuses it. Both empty where compilers do not know them.
function(weft_stack_probe_flags flags gcc_flags)
  set(${flags} "" PARENT_SCOPE)
  set(${gcc_flags} "" PARENT_SCOPE)
  if(NOT CMAKE_SYSTEM_NAME STREQUAL Linux)
    return()
  endif()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|aarch64)$")
    set(${flags} -fstack-clash-protection PARENT_SCOPE)
  endif()
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
    set(${gcc_flags} -maccumulate-outgoing-args PARENT_SCOPE)
  endif()
endfunction()

# weft_probe_stacks(<target> <scope>): compiles it, and with PUBLIC all that is built on it, with these flags.
function(weft_probe_stacks target scope)
  weft_stack_probe_flags(flags gcc_flags)
  if(flags)
    target_compile_options(${target} ${scope}
      "$<$<OR:$<COMPILE_LANG_AND_ID:C,GNU,Clang>,$<COMPILE_LANG_AND_ID:CXX,GNU,Clang>>:${flags}>")
  endif()
  if(gcc_flags)
    target_compile_options(${target} ${scope}
      "$<$<OR:$<COMPILE_LANG_AND_ID:C,GNU>,$<COMPILE_LANG_AND_ID:CXX,GNU>>:${gcc_flags}>")
  endif()
endfunction()

# The warnings that our own targets are built with; never a user's.
function(weft_warnings target)
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow)
  endif()
endfunction()

# weft_test(<part> <file> [AS <another name>] [LIBRARIES <target>...] [OPTIONS <option>...] [TIMEOUT <seconds>])
#
# <file>.cpp becomes the GoogleTest program <part>_<name>, each case a ctest with the label <part>. The target
# <part>_tests builds all of a part's. A test may use the whole library: most run tasks, and so need the roof. AS: for a
# file that becomes several programs. WEFT_TEST_OPTIONS is how the tests themselves are compiled, which takes longer
# than they run; weft itself is not compiled so. Nothing without WEFT_BUILD_TESTS.
function(weft_test part file)
  if(NOT WEFT_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "AS;TIMEOUT" "LIBRARIES;OPTIONS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  cmake_path(GET file FILENAME name)
  set(target ${part}_${name})
  set(prefix ${part}.)
  if(arg_AS)
    set(target ${part}_${arg_AS})
    set(prefix ${part}.${arg_AS}.)
  endif()
  add_executable(${target} ${file}.cpp)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE weft::weft ${arg_LIBRARIES} GTest::gtest_main)
  target_compile_options(${target} PRIVATE ${WEFT_TEST_OPTIONS} ${arg_OPTIONS})
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  weft_warnings(${target})
  # A loaded machine may take long to start a program that carries a sanitizer.
  gtest_discover_tests(${target} TEST_PREFIX ${prefix} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${part})
  if(NOT TARGET ${part}_tests)
    add_custom_target(${part}_tests)
  endif()
  add_dependencies(${part}_tests ${target})
endfunction()

# weft_tests(<part> <file>...): one weft_test() for each.
function(weft_tests part)
  foreach(file IN LISTS ARGN)
    weft_test(${part} ${file})
  endforeach()
endfunction()

# weft_test_sources(<program> <file>...): more files of a test.
function(weft_test_sources program)
  if(TARGET ${program})
    target_sources(${program} PRIVATE ${ARGN})
  endif()
endfunction()

# weft_bench(<part> <file> [LIBRARIES <target>...] [OPTIONS <option>...])
#
# <file>.cpp becomes the Google Benchmark program bench/<part>_<name> of the build folder; the target benchmarks is all
# of them. Nothing without WEFT_BUILD_BENCHMARKS.
function(weft_bench part file)
  if(NOT WEFT_BUILD_BENCHMARKS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "LIBRARIES;OPTIONS" ${ARGN})
  cmake_path(GET file FILENAME name)
  set(target ${part}_${name})
  add_executable(${target} ${file}.cpp)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE weft::weft ${arg_LIBRARIES} bench_support benchmark::benchmark_main)
  target_compile_options(${target} PRIVATE ${arg_OPTIONS})
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
  weft_warnings(${target})
  add_dependencies(benchmarks ${target})
endfunction()

# weft_benches(<part> <file>...): one weft_bench() for each.
function(weft_benches part)
  foreach(file IN LISTS ARGN)
    weft_bench(${part} ${file})
  endforeach()
endfunction()
