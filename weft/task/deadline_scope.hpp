#pragma once

#include <chrono>

#include <weft/base/clock.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft {

/// While it lives, every wait of the calling task fails with errc::timed_out once the deadline has passed. The nearest
/// of nested deadlines counts.
///
/// A deadline that has passed parks nothing. An operation that needs no wait may still happen, but a loop of such
/// operations ends as well: the task looks at the clock before the second one, then at least once in 64, and the more
/// often the slower they are. Costs a look at the clock for each wait that parks, and some per cent of operations that
/// need no wait.
///
/// What runs on behalf of the task inherits the deadline in force: every task that is spawned, by whatever call, a
/// computation, and a function given to blocking(). spawn_options::deadline says otherwise.
class deadline_scope {
 public:
  explicit deadline_scope(time_point deadline) noexcept : task_{detail::current_task()}, outer_{task_.deadline()} {
    if (deadline < outer_) task_.set_deadline(deadline);
  }
  template <class Clock, class Duration>
  explicit deadline_scope(std::chrono::time_point<Clock, Duration> deadline) noexcept
      : deadline_scope{deadline_at(deadline)} {}
  explicit deadline_scope(time_span from_now) noexcept : deadline_scope{deadline_after(from_now)} {}
  ~deadline_scope() { task_.set_deadline(outer_); }
  deadline_scope(const deadline_scope&) = delete;
  deadline_scope& operator=(const deadline_scope&) = delete;

  /// The deadline in force: its own or a nearer one around it.
  [[nodiscard]] time_point deadline() const noexcept { return task_.deadline(); }

 private:
  detail::task_base& task_;
  time_point outer_;
};

}  // namespace weft
