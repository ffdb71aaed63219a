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

  /// Whether another OS thread may poll from now on than the one that did, and any may use what the driver offers
  /// beyond this interface.
  [[nodiscard]] virtual bool can_change_thread() const noexcept { return true; }
};

/// Makes the driver of seat `index`; called on the thread that starts the scheduler.
using driver_factory = std::function<std::unique_ptr<driver>(std::size_t index)>;

/// A driver for programs without I/O: waits on a condition variable.
[[nodiscard]] std::unique_ptr<driver> make_parking_driver();

class carrier;

/// The driver of the seat that the caller runs on, and that seat stays with the calling OS thread while this lives.
/// For a task whose seat was handed over: some seat's, where its driver can be used from other threads. get() is null
/// on a plain OS thread. Not to be kept across a park.
class held_driver {
 public:
  held_driver() noexcept;
  ~held_driver();
  held_driver(const held_driver&) = delete;
  held_driver& operator=(const held_driver&) = delete;

  [[nodiscard]] driver* get() const noexcept { return driver_; }

 private:
  driver* driver_ = nullptr;
  carrier* to_leave_ = nullptr;
};

}  // namespace weft::sched
