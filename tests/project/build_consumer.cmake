# Configures, builds and runs one project of tests/consumers:
#   cmake -D CONSUMER=<name> -D SOURCE=<weft's sources> -D SCRATCH=<folder of ours>
#         -D CXX=<compiler> -D GENERATOR=<name> [-D PREFIX=<where weft is installed>] -P build_consumer.cmake
set(folder ${SCRATCH}/${CONSUMER})
file(REMOVE_RECURSE ${folder})

if(PREFIX)
  file(GLOB_RECURSE pc_file ${PREFIX}/weft.pc)
  cmake_path(GET pc_file PARENT_PATH pc_folder)
  set(ENV{PKG_CONFIG_PATH} ${pc_folder})
endif()

# No build type: the quickest to compile, and one that nothing else here tests.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/tests/consumers/${CONSUMER} -B ${folder} -G ${GENERATOR}
  -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_PREFIX_PATH=${PREFIX} -D WEFT_SOURCE_DIR=${SOURCE}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${folder} -j 2 COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${folder}/consumer OUTPUT_VARIABLE said COMMAND_ERROR_IS_FATAL ANY)
if(NOT said MATCHES "weft works here")
  message(FATAL_ERROR "the program of tests/consumers/${CONSUMER} said: ${said}")
endif()

# Its own frames are probed: one that is larger than stack and guard together is reported, and overwrites nothing.
execute_process(COMMAND ${folder}/consumer overflow OUTPUT_VARIABLE said ERROR_VARIABLE report RESULT_VARIABLE status)
if(status STREQUAL "0" OR NOT report MATCHES "stack overflow in a virtual thread.*the task is \"digger\"")
  message(FATAL_ERROR "an overflow in tests/consumers/${CONSUMER} ended with ${status}: ${said}${report}")
endif()
