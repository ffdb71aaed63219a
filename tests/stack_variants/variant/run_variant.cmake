# Configures, builds and runs the program of this folder:
#   cmake -D FOLDER=<folder of ours> -D GENERATOR=<name> -D CC=<compiler> -D CXX=<compiler> -D FLAGS=<for both>
#         [-D PROCESSOR=<another than this one> -D RUNNER=<emulator>] [-D ARGUMENTS=<for the tests of the stack layer>]
#         -P run_variant.cmake
set(processor)
if(PROCESSOR)
  set(processor -D CMAKE_SYSTEM_NAME=Linux -D CMAKE_SYSTEM_PROCESSOR=${PROCESSOR})
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${FOLDER} -G ${GENERATOR} ${processor}
  -D CMAKE_C_COMPILER=${CC} -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_C_FLAGS=${FLAGS} -D CMAKE_CXX_FLAGS=${FLAGS}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${FOLDER} --target tests task_tests -j 2 COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${RUNNER} ${FOLDER}/tests ${ARGUMENTS} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${RUNNER} ${FOLDER}/task_tests COMMAND_ERROR_IS_FATAL ANY)
