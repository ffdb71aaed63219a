#pragma once

#include <weft/base/clock.hpp>
#include <weft/base/result.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// Lets the tasks that were woken on this seat, or yielded there, before this call run before the caller goes on. Of
/// tasks that have not run yet, some may come later. In a coroutine, co_await async_yield().
void yield() noexcept;

namespace detail {

struct yield_awaiter {
  using awaited_as_it_is = void;
  [[nodiscard]] bool await_ready() const noexcept;
  template <class Promise>
  [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> here) const noexcept {
    return let_others_run(coroutine_link{here});
  }
  void await_resume() const noexcept {}

 private:
  [[nodiscard]] static bool let_others_run(coroutine_link here) noexcept;
};

/// Waits for a point in time.
class sleep_operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::timer;
  explicit sleep_operation(time_point until) noexcept : until_{until} {}
  sleep_operation(sleep_operation&& other) noexcept : until_{other.until_} {}

  bool try_complete() const noexcept { return until_ <= now(); }
  bool arm(wait_node& node) noexcept;
  void disarm(wait_node& node) noexcept;
  bool finish() const noexcept { return true; }
  value_type take() const { return {}; }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  time_point until_;
  sched::timer_entry timer_;
};

}  // namespace detail

/// yield() for a coroutine.
[[nodiscard]] inline detail::yield_awaiter async_yield() noexcept { return {}; }

/// A point in time, on any clock, as an operation. Fails with errc::cancelled or errc::timed_out (a nearer
/// deadline_scope).
template <class Clock, class Duration>
[[nodiscard]] detail::sleep_operation async_sleep_until(std::chrono::time_point<Clock, Duration> until) noexcept {
  return detail::sleep_operation{deadline_at(until)};
}
[[nodiscard]] inline detail::sleep_operation async_sleep(time_span time) noexcept {
  return detail::sleep_operation{deadline_after(time)};
}

/// Waits until `until`; never wakes earlier without an error. A time that has passed does not wait.
/// Parks.
/// Cancel: errc::cancelled, or errc::timed_out when a nearer deadline_scope has passed.
template <class Clock, class Duration>
result<void> sleep_until(std::chrono::time_point<Clock, Duration> until) {
  return await(async_sleep_until(until));
}
/// Waits for `time` from now on.
inline result<void> sleep(time_span time) { return await(async_sleep(time)); }

}  // namespace weft
