#pragma once

#include <atomic>
#include <cstddef>

#include <weft/base/result.hpp>
#include <weft/base/spin_lock.hpp>
#include <weft/sync/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft {

namespace detail {
class latch_wait;
}

/// A count that goes down to zero once, and whoever waits for that.
/// Thread: any, for every member: tasks of either kind and plain OS threads.
/// Order: what was done before each count_down() is visible to whoever wait() or try_wait() tells of zero.
/// Lifetime: destroyed when nobody waits; the destructor checks. A count_down() that is returning does no harm.
class latch {
 public:
  explicit latch(std::size_t count) noexcept : count_{count} {}
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;
  ~latch();

  /// Takes `by` off, which is not more than what is left. At zero, lets all waiters go on. Does not wait.
  void count_down(std::size_t by = 1) noexcept;

  /// True when the count is zero.
  [[nodiscard]] bool try_wait() const noexcept {
    // acquire: sees what was done before each count_down()
    return count_.load(std::memory_order_acquire) == 0;
  }

  /// Waits until the count is zero.
  /// Parks. Cancel: errc::cancelled or errc::timed_out.
  [[nodiscard]] result<void> wait();

  /// count_down(by), then wait(). Cancel: as wait(); what was taken off stays off.
  [[nodiscard]] result<void> arrive_and_wait(std::size_t by = 1);

  /// wait() as an operation.
  [[nodiscard]] detail::latch_wait async_wait() noexcept;

 private:
  friend class detail::latch_wait;

  std::atomic<std::size_t> count_;  // becomes zero under lock_
  base::spin_lock lock_;            // guards waiters_
  detail::wait_list waiters_;
};

namespace detail {

/// latch::async_wait().
class latch_wait {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  explicit latch_wait(latch& target) noexcept : target_{&target} {}

  bool try_complete() const noexcept { return target_->try_wait(); }
  bool arm(wait_node& node) const noexcept;
  void disarm(wait_node& node) const noexcept;
  bool finish() const noexcept { return true; }
  value_type take() const noexcept { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(wait_description& into) const { into.add(kind, "latch", target_); }

 private:
  latch* target_;
};

}  // namespace detail

inline detail::latch_wait latch::async_wait() noexcept { return detail::latch_wait{*this}; }
inline result<void> latch::wait() { return await(async_wait()); }
inline result<void> latch::arrive_and_wait(std::size_t by) {
  count_down(by);
  return wait();
}

}  // namespace weft
