#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include <weft/base/result.hpp>
#include <weft/sync/detail/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// Something that has happened or has not, until it is reset by hand. While it is set nobody waits.
/// Thread: any, for every member: tasks of either kind and plain OS threads.
/// Order: what was done before set() is visible to whoever wait() or is_set() tells of it.
/// Lifetime: destroyed when nobody waits; the destructor checks. A set() that is returning does no harm.
class event {
 public:
  event() = default;
  ~event() {
    queue_.check_nobody_waits("an event is destroyed when nobody waits for it: join the waiters first", "event", this);
  }

  /// Lets all waiters go on, the first first. Does not wait; a virtual thread lets others run each time it has
  /// woken 64.
  void set() noexcept;

  /// From now on wait() waits again. Whoever was let go by an earlier set() goes on all the same.
  void reset() noexcept;

  [[nodiscard]] bool is_set() const noexcept {
    // acquire: sees what was done before set()
    return is_set_.load(std::memory_order_acquire);
  }

  using wait_operation = detail::gate_wait<event>;
  /// Waits until it is set.
  /// Parks.
  /// Cancel: errc::cancelled or errc::timed_out.
  [[nodiscard]] result<void> wait() { return await(async_wait()); }
  [[nodiscard]] wait_operation async_wait() noexcept { return wait_operation{*this}; }

 private:
  friend wait_operation;
  static constexpr std::string_view what = "event";
  [[nodiscard]] bool is_open(std::uint64_t) const noexcept { return is_set(); }

  std::atomic<bool> is_set_{false};  // written under the queue's lock
  detail::wait_queue queue_;
};

/// Something that happens now and then, each time for one waiter: set() lets one go on, or, when nobody waits, the next
/// that comes. It does not count: set twice while nobody waits is set once. For counting there is semaphore.
/// Thread: any, for every member: tasks of either kind and plain OS threads.
/// Order: waiters go on in the order in which they began to wait. What was done before set() is visible to whom it lets
///   go on.
/// Lifetime: destroyed when nobody waits; the destructor checks. A set() that is returning does no harm.
class auto_reset_event {
 public:
  auto_reset_event() = default;
  ~auto_reset_event() {
    queue_.check_nobody_waits("an event is destroyed when nobody waits for it: join the waiters first",
                              "auto_reset_event", this);
  }

  /// Lets the longest waiter go on; without waiters, the next. Does not wait.
  void set() noexcept;

  /// Takes back a set() that nobody has seen.
  void reset() noexcept { static_cast<void>(try_wait()); }

  /// True when it was set, which it now is no more. Does not wait.
  [[nodiscard]] bool try_wait() noexcept;

  class wait_operation;
  /// Waits until it is set, and resets it.
  /// Parks.
  /// Cancel: errc::cancelled or errc::timed_out, and then no set() was used up.
  [[nodiscard]] result<void> wait();
  [[nodiscard]] wait_operation async_wait() noexcept;

 private:
  std::atomic<bool> is_set_{false};  // becomes true under the queue's lock
  detail::wait_queue queue_;
};

/// auto_reset_event::async_wait().
class auto_reset_event::wait_operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  static constexpr bool locks_to_arm = true;
  explicit wait_operation(auto_reset_event& target) noexcept : target_{&target} {}

  bool try_complete() const noexcept { return target_->try_wait(); }
  bool arm(wait_node& node) const noexcept;
  void disarm(wait_node& node) const noexcept { target_->queue_.disarm(node); }
  bool finish() const noexcept { return true; }
  value_type take() const noexcept { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(detail::wait_description& into) const { into.add(kind, "auto_reset_event", target_); }

 private:
  auto_reset_event* target_;
};

inline auto_reset_event::wait_operation auto_reset_event::async_wait() noexcept { return wait_operation{*this}; }
inline result<void> auto_reset_event::wait() { return await(async_wait()); }

}  // namespace weft
