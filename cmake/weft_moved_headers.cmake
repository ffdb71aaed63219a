# Headers that have moved. Their old names go on working: a header that includes the new one is made for each, beside
# which it is installed. A table: old, new.
set(weft_moved_headers
  weft/io/endpoint.hpp weft/net/endpoint.hpp
  weft/io/file.hpp weft/fs/file.hpp
  weft/io/resolve.hpp weft/net/resolve.hpp
  weft/io/run.hpp weft/runtime/run.hpp
  weft/io/tcp.hpp weft/net/tcp.hpp
  weft/observe/figures.hpp weft/observe/metrics_snapshot.hpp
  weft/parallel/compute.hpp weft/compute/compute.hpp
  weft/parallel/fork_join.hpp weft/compute/fork_join.hpp
  weft/parallel/parallel_task.hpp weft/compute/parallel_task.hpp
  weft/sched/watch.hpp weft/sched/watchdog.hpp
  weft/sync/select.hpp weft/combine/select.hpp
  weft/task/available_parallelism.hpp weft/compute/available_parallelism.hpp
  weft/task/offload.hpp weft/task/blocking.hpp
  weft/task/known_end.hpp weft/sync/channel_user.hpp
  weft/task/compute_statistics.hpp weft/compute/compute_statistics.hpp
  weft/task/deadlock.hpp weft/inspect/deadlock.hpp
  weft/task/debugger.hpp weft/inspect/debugger.hpp
  weft/task/first_success.hpp weft/combine/first_success.hpp
  weft/task/hibernation.hpp weft/runtime/hibernation_statistics.hpp
  weft/task/race.hpp weft/combine/race.hpp
  weft/task/runtime.hpp weft/runtime/runtime.hpp
  weft/task/sender.hpp weft/combine/sender.hpp
  weft/task/shield.hpp weft/combine/shield.hpp
  weft/task/stack_use.hpp weft/runtime/stack_use.hpp
  weft/task/task_snapshot.hpp weft/inspect/task_snapshot.hpp
  weft/task/warnings.hpp weft/runtime/warnings.hpp
  weft/task/when_all.hpp weft/combine/when_all.hpp
  weft/task/when_any.hpp weft/combine/when_any.hpp
  weft/task/with_deadline.hpp weft/combine/with_deadline.hpp
  weft/task/with_stop_token.hpp weft/combine/with_stop_token.hpp)

# weft_forward_moved_headers(): makes them, for all that is built on weft.
function(weft_forward_moved_headers)
  set(folder ${PROJECT_BINARY_DIR}/moved_headers)
  set(made)
  while(weft_moved_headers)
    list(POP_FRONT weft_moved_headers old new)
    set(text "#pragma once\n\n#include <${new}>  // has moved there\n")
    file(CONFIGURE OUTPUT ${folder}/${old} CONTENT "${text}" @ONLY)
    list(APPEND made ${folder}/${old})
  endwhile()
  target_sources(weft INTERFACE FILE_SET moved TYPE HEADERS BASE_DIRS ${folder} FILES ${made})
  target_include_directories(weft_base PUBLIC $<BUILD_INTERFACE:${folder}>)
endfunction()
