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

  /// Whether somebody waits for something from outside that a later poll may deliver. May be old at once.
  /// Thread: any.
  [[nodiscard]] virtual bool awaits_input() const noexcept { return false; }

  /// Makes ready for another OS thread to poll than the one that does. False: no other can, now.
  /// Thread: the watchdog, while the task of the present carrier runs.
  [[nodiscard]] virtual bool prepare_hand_over() noexcept { return true; }

  /// The calling OS thread, and no other, polls from now on. Delivers as poll() does.
  /// Thread: the carrier that has just sat down on the seat, before its first poll.
  virtual void begin_on_this_thread() noexcept {}

  /// The calling OS thread polled once, lost the seat while it ran a task, and has come back from that.
  /// Thread: that carrier, which does not poll again.
  virtual void end_on_this_thread() noexcept {}
};

/// Makes the driver of seat `index`; called on the thread that starts the scheduler.
using driver_factory = std::function<std::unique_ptr<driver>(std::size_t index)>;

/// A driver for programs without I/O: waits on a condition variable.
[[nodiscard]] std::unique_ptr<driver> make_parking_driver();

class carrier;

/// The driver of the seat that the caller runs on, and that seat stays with the calling OS thread while this lives.
/// For a task whose seat was handed over: some seat's, which another OS thread polls. get() is null on a plain OS
/// thread. Not to be kept across a park.
class held_driver {
 public:
  held_driver() noexcept;
  ~held_driver();
  held_driver(const held_driver&) = delete;
  held_driver& operator=(const held_driver&) = delete;

  [[nodiscard]] driver* get() const noexcept { return driver_; }
  /// Whether the calling OS thread is the one that polls it.
  [[nodiscard]] bool is_of_own_seat() const noexcept { return is_of_own_seat_; }

 private:
  driver* driver_ = nullptr;
  bool is_of_own_seat_ = false;
  carrier* to_leave_ = nullptr;
};

}  // namespace weft::sched
