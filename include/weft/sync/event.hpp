#pragma once

#include <atomic>

#include <weft/base/result.hpp>
#include <weft/base/spin_lock.hpp>
#include <weft/sync/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft {

namespace detail {
class event_wait;
}

/// Something that has happened or has not, until it is reset by hand. While it is set nobody waits.
/// Thread: any, for every member: tasks of either kind and plain OS threads.
/// Order: what was done before set() is visible to whoever wait() or is_set() tells of it.
/// Lifetime: destroyed when nobody waits; the destructor checks. A set() that is returning does no harm.
class event {
 public:
  event() = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;
  ~event();

  /// Lets all waiters go on. Does not wait.
  void set() noexcept;

  /// From now on wait() waits again. Whoever was let go by an earlier set() goes on all the same.
  void reset() noexcept;

  [[nodiscard]] bool is_set() const noexcept {
    // acquire: sees what was done before set()
    return is_set_.load(std::memory_order_acquire);
  }

  /// Waits until it is set.
  /// Parks. Cancel: errc::cancelled or errc::timed_out.
  [[nodiscard]] result<void> wait();

  /// wait() as an operation.
  [[nodiscard]] detail::event_wait async_wait() noexcept;

 private:
  friend class detail::event_wait;

  std::atomic<bool> is_set_{false};  // written under lock_
  base::spin_lock lock_;             // guards waiters_
  detail::wait_list waiters_;
};

namespace detail {

/// event::async_wait().
class event_wait {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  explicit event_wait(event& target) noexcept : target_{&target} {}

  bool try_complete() const noexcept { return target_->is_set(); }
  bool arm(wait_node& node) const noexcept;
  void disarm(wait_node& node) const noexcept;
  bool finish() const noexcept { return true; }
  value_type take() const noexcept { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(wait_description& into) const { into.add(kind, "event", target_); }

 private:
  event* target_;
};

}  // namespace detail

inline detail::event_wait event::async_wait() noexcept { return detail::event_wait{*this}; }
inline result<void> event::wait() { return await(async_wait()); }

}  // namespace weft
