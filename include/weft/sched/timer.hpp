#pragma once

#include <cstdint>

#include <weft/base/clock.hpp>
#include <weft/base/intrusive_list.hpp>
#include <weft/sched/runnable.hpp>

namespace weft::sched {

class seat;

/// A point in time at which a wait ends. Lives in the waiter's frame.
/// Thread: arm and disarm by the waiter, on a carrier.
/// Lifetime: disarmed before it is destroyed.
class timer_entry : base::list_hook {
 public:
  timer_entry() = default;

  /// Ends wait `epoch` of `task` with `reason` once `deadline` has come, never before. Allocates nothing.
  void arm(runnable& task, std::uint64_t epoch, time_point deadline,
           std::int32_t reason = static_cast<std::int32_t>(wake_reason::timed_out)) noexcept;

  /// Takes the timer back if it has not fired. On return nothing touches it any more.
  void disarm() noexcept;

 private:
  friend class seat;
  friend class timer_wheel;
  template <class T>
  friend class base::intrusive_list;

  runnable* task_ = nullptr;
  seat* seat_ = nullptr;
  std::uint64_t epoch_ = 0;
  std::uint64_t tick_ = 0;
  std::int32_t reason_ = 0;
  std::uint16_t slot_ = 0;
};

}  // namespace weft::sched
