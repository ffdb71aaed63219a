#pragma once

#include <coroutine>

#include <weft/task/detail/task_base.hpp>
#include <weft/task/detail/transfer_loop.hpp>

namespace weft::detail {

/// Whether the compiler may make a call of a symmetric transfer, which then stays on the stack.
#if defined(__clang__)
inline constexpr bool transfers_may_be_calls = false;
#else
inline constexpr bool transfers_may_be_calls = true;
#endif

/// What await_suspend() returns to go on with `next`: `next` itself or, where the stack has grown far, a coroutine that
/// does nothing, `next` being left with the loop that resumed the running task.
[[nodiscard]] inline std::coroutine_handle<> transfer_to(std::coroutine_handle<> next) noexcept {
  if constexpr (transfers_may_be_calls) {
    auto& loop = current_task().transfers();
    if (loop.is_far_below() && loop.leave(next)) [[unlikely]]
      return std::noop_coroutine();
  }
  return next;
}

/// Resumes `coroutine` on the caller's stack, where all of its waits happen too.
/// Thread: a virtual thread or an OS thread.
inline void run_in_place(std::coroutine_handle<> coroutine) {
  auto& self = current_task();
  transfer_loop loop;
  struct restore {
    task_base& self;
    transfer_loop& outer;
    ~restore() { self.set_transfers(outer); }
  } at_end{self, self.set_transfers(loop)};
  loop.run(coroutine);
}

}  // namespace weft::detail
