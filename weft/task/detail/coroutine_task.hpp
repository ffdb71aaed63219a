#pragma once

#include <coroutine>
#include <source_location>

#include <weft/task/detail/async_frame.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft::detail {

/// A wait of a coroutine, told by the scheduler that it was notified.
class wait_step {
 public:
  /// True: complete, resume the coroutine. False: park it again.
  [[nodiscard]] virtual bool woken() = 0;

 protected:
  ~wait_step() = default;
};

/// A task without a stack: a chain of coroutines, each awaited by the one before, of which the last is suspended.
/// Thread: the task itself.
class coroutine_state : public task_base {
 public:
  coroutine_state(sched::scheduler* home, std::source_location site) noexcept
      : task_base{task_kind::coroutine, home, site} {}

  /// `here` is where the task goes on, once `wait` is complete.
  void suspend(coroutine_link here, wait_step& wait) noexcept {
    resume_at_ = here;
    wait_ = &wait;
  }
  /// `here` is where the task goes on when it is next resumed.
  void suspend(coroutine_link here) noexcept {
    resume_at_ = here;
    wait_ = nullptr;
  }
  /// The wait was over before the task parked.
  void clear_wait() noexcept { wait_ = nullptr; }
  /// Suspended: parks, and then may be running elsewhere; false when it was notified first and must go on.
  [[nodiscard]] bool park_suspended() noexcept { return commit_park_on(carrier()); }

  /// Another library has resumed what the task waits for: it goes on at `here`. Returns that where the task itself
  /// runs on the calling thread. Otherwise its scheduler is given the task, which may be gone on return.
  /// Thread: any.
  [[nodiscard]] std::coroutine_handle<> call_back(coroutine_link here) noexcept;

  /// Suspended: runs again after everything that is ready on the seat already. On return it may be running elsewhere.
  void let_others_run() noexcept;
  /// The same where there are others. False: there are none, and it has to go on.
  [[nodiscard]] bool let_others_run_if_any() noexcept;

  /// The outermost coroutine has reached its end and is suspended there for good.
  void finished() noexcept {
    announce_end();
    release();
  }

  /// While it does not run: the innermost of its coroutines; null where that is not one of weft's.
  [[nodiscard]] const async_frame* innermost() const noexcept { return resume_at_.frame(); }

  void resume(sched::carrier& by) noexcept override;
  void park(time_point deadline) noexcept override;
  void yield() noexcept override;

 private:
  class return_from_outside;
  [[nodiscard]] bool stays_outside(sched::carrier& by) noexcept;

  coroutine_link resume_at_;
  wait_step* wait_ = nullptr;
};

}  // namespace weft::detail
