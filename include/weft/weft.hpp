#pragma once

/// All of weft. A program that wants shorter builds includes the headers it uses instead.

#include <weft/base/accounting.hpp>
#include <weft/base/check.hpp>
#include <weft/base/clock.hpp>
#include <weft/base/error.hpp>
#include <weft/base/intrusive_list.hpp>
#include <weft/base/random.hpp>
#include <weft/base/result.hpp>
#include <weft/base/spin_lock.hpp>
#include <weft/io/byte_stream.hpp>
#include <weft/io/endpoint.hpp>
#include <weft/io/run.hpp>
#include <weft/io/tcp.hpp>
#include <weft/observe/format.hpp>
#include <weft/observe/recorder.hpp>
#include <weft/parallel/compute.hpp>
#include <weft/parallel/parallel_for.hpp>
#include <weft/sched/driver.hpp>
#include <weft/sched/scheduler.hpp>
#include <weft/stack/context.hpp>
#include <weft/stack/stack_pool.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/select.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/offload.hpp>
#include <weft/task/operation.hpp>
#include <weft/task/runtime.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>
#include <weft/task/task_state.hpp>
#include <weft/task/virtual_thread.hpp>
#include <weft/task/worker_pool.hpp>
