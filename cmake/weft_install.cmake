# What `cmake --install` puts down: the parts' libraries and headers (weft_part names them), the umbrella weft::weft,
# and the files by which find_package(weft) and pkg-config find them.
include(CMakePackageConfigHelpers)

get_property(weft_parts GLOBAL PROPERTY weft_parts)
get_property(config_lines GLOBAL PROPERTY weft_config_lines)
get_property(pc_requires GLOBAL PROPERTY weft_pc_requires)
get_property(pc_libs GLOBAL PROPERTY weft_pc_libs)

add_library(weft INTERFACE)
add_library(weft::weft ALIAS weft)
target_sources(weft INTERFACE FILE_SET HEADERS
  BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${PROJECT_SOURCE_DIR}/weft/weft.hpp)
list(TRANSFORM weft_parts PREPEND weft:: OUTPUT_VARIABLE part_targets)
target_link_libraries(weft INTERFACE ${part_targets})
include(weft_moved_headers)
weft_forward_moved_headers()

if(NOT WEFT_INSTALL)
  return()
endif()

install(TARGETS weft EXPORT weft
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILE_SET moved DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/weft)
install(EXPORT weft NAMESPACE weft:: FILE weftTargets.cmake DESTINATION ${package_folder})

list(JOIN config_lines "\n" WEFT_CONFIG_LINES)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/weftConfig.cmake.in ${PROJECT_BINARY_DIR}/weftConfig.cmake
  INSTALL_DESTINATION ${package_folder} NO_SET_AND_CHECK_MACRO)
# Until 1.0 a minor version may break what the one before offered.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weftConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weftConfig.cmake ${PROJECT_BINARY_DIR}/weftConfigVersion.cmake
  DESTINATION ${package_folder})

# Linkers read from left to right: highest part first.
set(reversed ${weft_parts})
list(REVERSE reversed)
set(WEFT_PC_LIBS "")
foreach(part IN LISTS reversed)
  get_target_property(type weft_${part} TYPE)
  if(NOT type STREQUAL INTERFACE_LIBRARY)
    string(APPEND WEFT_PC_LIBS " -lweft_${part}")
  endif()
endforeach()
list(JOIN pc_requires ", " WEFT_PC_REQUIRES)
list(JOIN pc_libs " " WEFT_PC_EXTRA_LIBS)
# Static libraries need what they were built on at link time; shared ones bring it along.
if(BUILD_SHARED_LIBS)
  string(CONCAT WEFT_PC_NEEDS "Requires.private: ${WEFT_PC_REQUIRES}\n"
    "Libs: -L\${libdir}${WEFT_PC_LIBS}\nLibs.private: ${WEFT_PC_EXTRA_LIBS}")
else()
  set(WEFT_PC_NEEDS "Requires: ${WEFT_PC_REQUIRES}\nLibs: -L\${libdir}${WEFT_PC_LIBS} ${WEFT_PC_EXTRA_LIBS}")
endif()
weft_stack_probe_flags(WEFT_PC_CFLAGS WEFT_PC_GCC_CFLAGS)
# The way from the file to the prefix, so that the tree can be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE WEFT_PC_UP)
configure_file(${PROJECT_SOURCE_DIR}/cmake/weft.pc.in ${PROJECT_BINARY_DIR}/weft.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
