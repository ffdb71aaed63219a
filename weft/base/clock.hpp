#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <concepts>
#include <ratio>

#include <weft/base/detail/build_match.hpp>

namespace weft {

/// The clock that every deadline in weft is on: monotonic, or a `virtual_clock` where a test installed one.
using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::nanoseconds;

/// "Never", as a deadline.
inline constexpr time_point no_deadline = time_point::max();

/// A span of time in any of chrono's units, as weft keeps it: in nanoseconds, rounded up. The one place where a span of
/// the program's is converted: every call and every option that takes a time takes this.
///
/// A span that nanoseconds cannot hold (292 years) is the longest, or the least, that they can: as a time-out, never,
/// or passed long ago. The same holds for an infinity of a floating-point unit. NaN is no time at all: 0.
class time_span {
 public:
  constexpr time_span() noexcept = default;
  template <class Rep, class Period>
  constexpr time_span(const std::chrono::duration<Rep, Period>& time) noexcept : value_{saturated(time)} {}

  [[nodiscard]] constexpr duration value() const noexcept { return value_; }
  constexpr operator duration() const noexcept { return value_; }

  friend constexpr auto operator<=>(time_span, time_span) noexcept = default;

 private:
  template <class Rep, class Period>
  [[nodiscard]] static constexpr duration saturated(const std::chrono::duration<Rep, Period>& time) noexcept {
    if constexpr (std::same_as<std::chrono::duration<Rep, Period>, duration>) {
      return time;
    } else {
      using seconds = std::chrono::duration<double>;
      if (time != time) return duration::zero();  // NaN
      if (seconds{time} >= seconds{duration::max()}) return duration::max();
      if (seconds{time} <= seconds{duration::min()}) return duration::min();
      return std::chrono::ceil<duration>(time);
    }
  }

  duration value_{};
};

/// A clock that stands still until somebody moves it: the scheduler does, to the next timer, whenever every task is
/// parked, so that a test of an hour of deadlines takes microseconds. OS threads, which no scheduler runs, wait in real
/// time on it: see real_deadline().
/// Thread: any.
/// Lifetime: one at a time per process; outlives every scheduler that runs under it.
class virtual_clock {
 public:
  virtual_clock() noexcept;
  ~virtual_clock();
  virtual_clock(const virtual_clock&) = delete;
  virtual_clock& operator=(const virtual_clock&) = delete;

  /// Moves the clock to `to` if that is later than where it stands.
  void advance_to(time_point to) noexcept;

  /// The clock that is installed, or null when time is real.
  [[nodiscard]] static virtual_clock* active() noexcept {
    // relaxed: installed before and removed after the threads that read it
    return active_.load(std::memory_order_relaxed);
  }

 private:
  friend time_point now() noexcept;
  static std::atomic<virtual_clock*> active_;
  std::atomic<std::chrono::nanoseconds::rep> elapsed_;
};

/// The present instant on weft's clock.
/// Thread: any.
[[nodiscard]] inline time_point now() noexcept {
  if (auto* clock = virtual_clock::active()) {
    // acquire: whoever sees an instant sees what was done before the clock moved to it; pairs with advance_to
    return time_point{std::chrono::nanoseconds{clock->elapsed_.load(std::memory_order_acquire)}};
  }
  return std::chrono::steady_clock::now();
}

/// The instant `from_now` after the present one; `no_deadline` when that is beyond what the clock can hold.
[[nodiscard]] inline time_point deadline_after(time_span from_now) noexcept {
  auto start = now();
  return from_now.value() > no_deadline - start ? no_deadline : start + from_now.value();
}

/// A point in time on any clock, as a deadline: on the monotonic clock rounded up to what that can hold, on any other,
/// such as the calendar's, as far from now as it is there at the time of the call. A point that nanoseconds cannot hold
/// is the last, or the first, that they can: see time_span.
/// Thread: any.
template <class Clock, class Duration>
[[nodiscard]] time_point deadline_at(std::chrono::time_point<Clock, Duration> at) noexcept {
  const time_span since_epoch = at.time_since_epoch();
  if constexpr (std::same_as<Clock, time_point::clock>) {
    return time_point{since_epoch.value()};
  } else {
    const time_span present = Clock::now().time_since_epoch();
    if (since_epoch <= present) return now();
    if (since_epoch.value() != duration::max()) {
      // Both of a clock that counts from long ago or from far ahead: only their difference need fit.
      const bool fits = present.value() >= duration::zero() || since_epoch.value() <= duration::max() + present.value();
      return fits ? deadline_after(since_epoch.value() - present.value()) : no_deadline;
    }
    using seconds = std::chrono::duration<double>;
    return deadline_after(seconds{at.time_since_epoch()} - seconds{present.value()});
  }
}

/// Until when, on the system's monotonic clock, an OS thread that waits for `deadline` has to wait. The same instant,
/// but under a virtual clock: what is left on that at the time of the call, counted from the real present.
/// Thread: any.
[[nodiscard]] std::chrono::steady_clock::time_point real_deadline(time_point deadline) noexcept;

}  // namespace weft
