# Links a program with a weft that is built with another sanitizer, or none, each way round, static and shared:
#   cmake -D SOURCE=<weft's sources> -D SCRATCH=<folder of ours> -D CXX=<compiler> -P mismatch.cmake
# The linker refuses with a message that names the difference; programs built as weft is are linked.
file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
set(compile ${CXX} -std=c++23 -fPIC -I ${SOURCE}/include)
set(flags_none)
set(flags_address -fsanitize=address)
set(flags_thread -fsanitize=thread)

foreach(built none address thread)
  # What every weft has; the other layers need it.
  foreach(file build_match error)
    execute_process(COMMAND ${compile} ${flags_${built}} -D WEFT_SKIP_BUILD_MATCH -c ${SOURCE}/src/base/${file}.cpp
      -o ${SCRATCH}/${file}_${built}.o COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  set(objects ${SCRATCH}/build_match_${built}.o ${SCRATCH}/error_${built}.o)
  execute_process(COMMAND ar rcs ${SCRATCH}/libweft_${built}.a ${objects} COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CXX} -shared ${flags_${built}} ${objects} -o ${SCRATCH}/libweft_${built}.so
    COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${compile} ${flags_${built}} -ffunction-sections -fdata-sections
    -c ${CMAKE_CURRENT_LIST_DIR}/main.cpp -o ${SCRATCH}/main_${built}.o COMMAND_ERROR_IS_FATAL ANY)
endforeach()

foreach(built none address thread)
  foreach(weft none address thread)
    foreach(kind a so)
      set(what "program: ${built}, weft: ${weft}, ${kind}")
      execute_process(COMMAND ${CXX} ${flags_${built}} -Wl,--gc-sections ${SCRATCH}/main_${built}.o
        ${SCRATCH}/libweft_${weft}.${kind} -o ${SCRATCH}/program RESULT_VARIABLE failed ERROR_VARIABLE said)
      if(built STREQUAL weft)
        if(failed)
          message(FATAL_ERROR "${what}: not linked: ${said}")
        endif()
        continue()
      endif()
      if(NOT failed)
        message(FATAL_ERROR "${what}: linked")
      endif()
      foreach(sanitizer address thread)
        if(built STREQUAL sanitizer)
          set(wanted "the_program_is_built_with_fsanitize_${sanitizer}_and_weft_is_not")
        elseif(weft STREQUAL sanitizer)
          set(wanted "weft_is_built_with_fsanitize_${sanitizer}_and_the_program_is_not")
        else()
          continue()
        endif()
        if(NOT said MATCHES "${wanted}")
          message(FATAL_ERROR "${what}: the linker does not say ${wanted}: ${said}")
        endif()
      endforeach()
    endforeach()
  endforeach()
endforeach()
