#pragma once

#include <weft/sched/detail/this_runnable.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft::detail {

/// While it lives, a coroutine whose code calls a plain form counts as the OS thread of its carrier, which waits in
/// place: under the coroutine's deadline, and without seeing its cancel. Nothing for other kinds of task.
/// Thread: the calling task.
class in_place {
 public:
  in_place() noexcept : task_{current_task()} {
    if (task_.kind() != task_kind::coroutine) return;
    auto& thread = this_os_thread();
    outer_deadline_ = thread.deadline();
    thread.set_deadline(task_.deadline());
    sched::set_this_runnable(&thread);
  }
  ~in_place() {
    if (task_.kind() != task_kind::coroutine) return;
    this_os_thread().set_deadline(outer_deadline_);
    sched::set_this_runnable(&task_);
  }
  in_place(const in_place&) = delete;
  in_place& operator=(const in_place&) = delete;

 private:
  task_base& task_;
  time_point outer_deadline_{};
};

}  // namespace weft::detail
