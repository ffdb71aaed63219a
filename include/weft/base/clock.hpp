#pragma once

#include <atomic>
#include <chrono>
#include <concepts>

namespace weft {

/// The clock that every deadline in weft is on: monotonic, or a `virtual_clock` where a test installed one.
using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::nanoseconds;

/// "Never", as a deadline.
inline constexpr time_point no_deadline = time_point::max();

/// A clock that stands still until somebody moves it: the scheduler does, to the next timer, whenever every task is
/// parked, so that a test of an hour of deadlines takes microseconds. OS threads, which no scheduler runs, wait in real
/// time on it: see real_deadline().
/// Thread: any. Lifetime: one at a time per process; outlives every scheduler that runs under it.
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
[[nodiscard]] inline time_point deadline_after(duration from_now) noexcept {
  auto start = now();
  return from_now > no_deadline - start ? no_deadline : start + from_now;
}

/// A point in time on any clock, as a deadline: on the monotonic clock rounded up to what that can hold, on any other,
/// such as the calendar's, as far from now as it is there at the time of the call.
/// Thread: any.
template <class Clock, class Duration>
[[nodiscard]] time_point deadline_at(std::chrono::time_point<Clock, Duration> at) noexcept {
  using seconds = std::chrono::duration<double>;
  constexpr auto most = seconds{no_deadline.time_since_epoch()} - seconds{1};
  if constexpr (std::same_as<Clock, time_point::clock>) {
    if (seconds{at.time_since_epoch()} >= most) return no_deadline;
    if (seconds{at.time_since_epoch()} <= -most) return time_point::min();
    return time_point{std::chrono::ceil<duration>(at.time_since_epoch())};
  } else {
    const auto present = Clock::now();
    const auto left = seconds{at.time_since_epoch()} - seconds{present.time_since_epoch()};
    if (left >= most) return no_deadline;
    if (left <= seconds{0}) return now();
    return deadline_after(std::chrono::ceil<duration>(at - present));
  }
}

/// Until when, on the system's monotonic clock, an OS thread that waits for `deadline` has to wait. The same instant,
/// but under a virtual clock: what is left on that at the time of the call, counted from the real present.
/// Thread: any.
[[nodiscard]] std::chrono::steady_clock::time_point real_deadline(time_point deadline) noexcept;

}  // namespace weft
