#pragma once

#include <cstdint>

#include <weft/base/clock.hpp>
#include <weft/sched/detail/runnable.hpp>

namespace weft::sched {

class seat;

/// A point in time at which a wait ends. Lives in the waiter's frame.
/// Thread: arm and disarm by the waiter, on a carrier.
/// Lifetime: disarmed before it is destroyed.
class timer_entry {
 public:
  timer_entry() = default;
  timer_entry(const timer_entry&) = delete;
  timer_entry& operator=(const timer_entry&) = delete;

  /// Ends wait `epoch` of `task` with `reason` once `deadline` has come, never before. The seat
  /// keeps 40 bytes for each timer, allocated the first time that so many are armed.
  void arm(runnable& task, std::uint64_t epoch, time_point deadline,
           std::int32_t reason = static_cast<std::int32_t>(wake_reason::timed_out)) noexcept;

  /// Takes the timer back if it has not fired. On return nothing touches it any more.
  void disarm() noexcept {
    if (seat_) disarm_armed();
  }

 private:
  void disarm_armed() noexcept;

  seat* seat_ = nullptr;  // null: not armed
  std::uint32_t node_ = 0, serial_ = 0;
};

}  // namespace weft::sched
