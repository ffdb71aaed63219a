#include <weft/task/spawn.hpp>

#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>

#include <weft/base/check.hpp>

#include "weft/task/detail/describe_task.hpp"

namespace weft::detail {

void throw_no_stack(stack::stack_pool& pool, std::error_code why) {
  throw std::system_error{why, "weft: no stack for a virtual thread: " + pool.explain(why)};
}

void check_room_on_stack(const stack::stack_pool& pool, std::size_t task_bytes) {
  constexpr std::size_t others = stack::stack_pool::largest_inset_bytes + least_calls_bytes;
  if (task_bytes <= pool.stack_bytes() && pool.stack_bytes() - task_bytes >= others) return;
  throw std::invalid_argument{"weft: the callable of a virtual thread and what it returns take " +
                              std::to_string(task_bytes) + " bytes of its stack, which has " +
                              std::to_string(pool.stack_bytes()) + ": raise spawn_options::stack_bytes to " +
                              std::to_string(task_bytes + others) +
                              " and what the calls inside need, or keep what is large on the heap"};
}

host& host_to_spawn_in() {
  auto* home = host::current();
  WEFT_CHECK(home != nullptr, "spawn works inside of weft::run(): call it from a task");
  return *home;
}

void wait_to_join(task_base& target) {
  if (!target.has_ended()) wait_uncancelled(end_operation{target}, "join_handle::join()");
}

namespace {

/// Held by who cancels through a handle. Never destroyed: static objects may cancel when they end.
std::mutex& cancellers() noexcept {
  static auto& mutex = *new std::mutex;
  return mutex;
}

}  // namespace

void wait_for_cancellers() noexcept { std::lock_guard guard{cancellers()}; }

void cancel_through(const std::atomic<task_base*>& handle) noexcept {
  std::optional<std::stop_source> stop;
  {
    std::lock_guard guard{cancellers()};
    // relaxed: the fence orders it before the look, see give_up()
    cancels_under_way.store(1, std::memory_order_relaxed);
    base::asymmetric_fence_heavy();
    // acquire: the task as who made the handle left it, where that is known through the handle alone
    if (auto* task = handle.load(std::memory_order_acquire)) {
      task->request_cancel();
      stop = task->stop_source();
    }
    // release: the canceller is done with the task; pairs with give_up()
    cancels_under_way.store(0, std::memory_order_release);
  }
  if (stop) stop->request_stop();  // without the mutex: it calls others' code
}

void wait_for_end(task_base& target) noexcept {
  if (target.has_ended()) return;
  auto* home = target.home_host();
  if (const duration patience = home->cancelled_over(); patience != duration::max()) {
    wait_to_the_end_for(end_operation{target}, patience);
    if (target.has_ended()) return;
    try {
      home->warn_of_cancelled("a join_handle that was dropped", 1, describe_task(target));
    } catch (const std::bad_alloc&) {
      // One line less.
    }
  }
  wait_to_the_end(end_operation{target});
}

}  // namespace weft::detail
