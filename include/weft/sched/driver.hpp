#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include <weft/base/clock.hpp>

namespace weft::sched {

/// Where a seat waits when it has nothing to run, and who wakes it. The scheduler knows nothing else of the outside.
class driver {
 public:
  driver() = default;
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;
  virtual ~driver() = default;

  /// Delivers what has happened, by claiming and notifying waiters. When nothing has, waits until `deadline` or wake();
  /// `time_point::min()` does not wait, `no_deadline` waits for ever.
  /// Thread: the carrier that sits on the seat.
  virtual void poll(time_point deadline) = 0;

  /// Ends a poll that waits, or makes the next one return at once.
  /// Thread: any.
  virtual void wake() noexcept = 0;
};

/// Makes the driver of seat `index`; called on the thread that starts the scheduler.
using driver_factory = std::function<std::unique_ptr<driver>(std::size_t index)>;

/// A driver for programs without I/O: waits on a condition variable.
[[nodiscard]] std::unique_ptr<driver> make_parking_driver();

/// The driver of the seat that the caller runs on; null on a plain OS thread. Not to be kept across a wait: the task
/// may wake on another seat.
[[nodiscard]] driver* current_driver() noexcept;

}  // namespace weft::sched
