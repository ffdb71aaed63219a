#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <weft/base/result.hpp>
#include <weft/sync/detail/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// A count that goes down to zero once, and whoever waits for that.
/// Thread: any, for every member: tasks of either kind and plain OS threads.
/// Order: what was done before each count_down() is visible to whoever wait() or try_wait() tells of zero.
/// Lifetime: destroyed when nobody waits; the destructor checks. A count_down() that is returning does no harm.
class latch {
 public:
  explicit latch(std::size_t count) noexcept : count_{count} {}
  ~latch() {
    queue_.check_nobody_waits("a latch is destroyed when nobody waits for it: join the waiters first", "latch", this);
  }

  /// Takes `by` off, which is not more than what is left. At zero, lets all waiters go on, the first first. Does not
  /// wait; a virtual thread lets others run each time it has woken 64.
  void count_down(std::size_t by = 1) noexcept;

  /// True when the count is zero.
  [[nodiscard]] bool try_wait() const noexcept {
    // acquire: sees what was done before each count_down()
    return count_.load(std::memory_order_acquire) == 0;
  }

  using wait_operation = detail::gate_wait<latch>;
  /// Waits until the count is zero.
  /// Parks.
  /// Cancel: errc::cancelled or errc::timed_out.
  [[nodiscard]] result<void> wait() { return await(async_wait()); }
  [[nodiscard]] wait_operation async_wait() noexcept { return wait_operation{*this}; }

  /// count_down(by), then wait().
  /// Parks.
  /// Cancel: as wait(); what was taken off stays off.
  [[nodiscard]] result<void> arrive_and_wait(std::size_t by = 1) {
    count_down(by);
    return wait();
  }

 private:
  friend wait_operation;
  static constexpr std::string_view what = "latch";
  [[nodiscard]] bool is_open(std::uint64_t) const noexcept { return try_wait(); }

  std::atomic<std::size_t> count_;  // becomes zero under the queue's lock
  detail::wait_queue queue_;
};

}  // namespace weft
