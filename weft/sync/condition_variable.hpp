#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <utility>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/result.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/sync/detail/wait_list.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/operation.hpp>

namespace weft {

namespace detail {
class condition_wait;
}

/// Waiting, with a mutex let go, until somebody says that what the mutex guards has changed.
///
/// There are no spurious wake-ups. A waiter that is notified goes straight into the mutex's queue, so notify_all()
/// wakes as many at a time as may run: one.
/// Thread: any: tasks of either kind and plain OS threads.
/// Order: notified in the order in which they began to wait.
/// Lifetime: destroyed when nobody waits; the destructor checks.
class condition_variable {
 public:
  condition_variable() = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;
  ~condition_variable();

  /// Unlocks, waits for a notification and locks again. `lock` holds its mutex, before and after, whatever happens.
  /// Parks.
  /// Cancel: errc::cancelled or errc::timed_out, and then no notification was used up; locking again is not cancelled.
  [[nodiscard]] result<void> wait(std::unique_lock<mutex>& lock);

  /// Waits until `holds()`, which is called with the mutex held. An error only while it does not hold.
  template <class Predicate>
  [[nodiscard]] result<void> wait(std::unique_lock<mutex>& lock, Predicate holds) {
    while (!holds()) {
      if (auto notified = wait(lock); !notified) return holds() ? result<void>{} : notified;
    }
    return {};
  }

  /// wait() for no longer than `time`, or until a point in time on any clock: errc::timed_out afterwards, and no
  /// notification was used up. The time ends the wait for the notification, not for the mutex, which is held again in
  /// any case. With a time that has passed it ends at once. For coroutines there is
  /// with_timeout(async_wait(lock), time).
  /// Parks.
  /// Cancel: as wait().
  [[nodiscard]] result<void> wait_for(std::unique_lock<mutex>& lock, time_span time);
  template <class Clock, class Duration>
  [[nodiscard]] result<void> wait_until(std::unique_lock<mutex>& lock,
                                        const std::chrono::time_point<Clock, Duration>& until);

  /// Waits until `holds()`, which is called with the mutex held, for no longer than `time`, however often it is
  /// notified meanwhile. An error only while it does not hold.
  /// Parks.
  /// Cancel: as wait().
  template <class Predicate>
  [[nodiscard]] result<void> wait_for(std::unique_lock<mutex>& lock, time_span time, Predicate holds) {
    return wait_until(lock, deadline_after(time), std::move(holds));
  }
  template <class Clock, class Duration, class Predicate>
  [[nodiscard]] result<void> wait_until(std::unique_lock<mutex>& lock,
                                        const std::chrono::time_point<Clock, Duration>& until, Predicate holds) {
    while (!holds()) {
      if (auto notified = wait_until(lock, until); !notified) return holds() ? result<void>{} : notified;
    }
    return {};
  }

  /// wait() as an operation. As a case of select, the mutex is held again when that ends, whichever case happened.
  /// Where it is another one, a notification by notify_one() that this wait was given goes to the next that waits.
  /// Cancel: as wait().
  /// Lifetime: the condition outlives the select.
  [[nodiscard]] detail::condition_wait async_wait(std::unique_lock<mutex>& lock);

  /// Lets the one that has waited longest go on, or all. The mutex need not be held. Does not wait; in notify_all() a
  /// virtual thread lets others run each time it has gone through 64.
  void notify_one() noexcept;
  void notify_all() noexcept;

 private:
  friend class detail::condition_wait;

  base::spin_lock lock_;  // guards waiters_ and where a waiter is; taken before a mutex's
  base::intrusive_list<detail::condition_wait> waiters_, leaving_;  // not notified yet, and about to be
  detail::batch_wakers wakers_;
};

namespace detail {

/// condition_variable::async_wait(). Waits in the condition's list, and once notified in the mutex's.
class condition_wait : base::list_hook {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  condition_wait(condition_variable& condition, mutex& held) noexcept : condition_{&condition}, mutex_{&held} {}
  condition_wait(condition_wait&& other) noexcept : condition_{other.condition_}, mutex_{other.mutex_} {}

  static bool try_complete() noexcept { return false; }
  bool arm(wait_node& node) noexcept;
  void disarm(wait_node&) noexcept {}  // only called when unlock() or notify has taken it out
  bool finish() const noexcept { return true; }
  value_type take() const noexcept;
  value_type fail(errc condition) const noexcept;
  /// Another case of a select happened.
  void lost() const noexcept;

  /// How it was notified: for it alone, or with all that waited.
  enum class notified : std::uint8_t { alone, with_all };
  void describe(wait_description& into) const { into.add(kind, "condition_variable", condition_); }

  /// Gets the mutex back after the wait was cancelled.
  bool request_cancel(wait_node& node, std::uint64_t epoch) noexcept;
  [[nodiscard]] bool interrupted() const noexcept { return interrupted_; }

 private:
  friend class weft::condition_variable;
  template <class T>
  friend class base::intrusive_list;

  /// Moves it, just taken out of the condition's list, to the mutex; under the condition's lock. False when it had been
  /// cancelled before and has used up no notification.
  bool pass_to_mutex(woken_waiters& woken, notified how) noexcept;

  condition_variable* condition_;
  mutex* mutex_;
  wait_node* node_ = nullptr;
  bool waits_for_mutex_ = false;     // under the condition's lock
  bool was_notified_alone_ = false;  // the same
  bool interrupted_ = false;
};

}  // namespace detail

inline detail::condition_wait condition_variable::async_wait(std::unique_lock<mutex>& lock) {
  WEFT_CHECK(lock.owns_lock(), "a condition is waited for with the mutex held", "condition_variable", this);
  return detail::condition_wait{*this, *lock.mutex()};
}

inline result<void> condition_variable::wait(std::unique_lock<mutex>& lock) { return await(async_wait(lock)); }

inline result<void> condition_variable::wait_for(std::unique_lock<mutex>& lock, time_span time) {
  return await(with_timeout(async_wait(lock), time));
}

template <class Clock, class Duration>
result<void> condition_variable::wait_until(std::unique_lock<mutex>& lock,
                                            const std::chrono::time_point<Clock, Duration>& until) {
  return await(with_deadline(async_wait(lock), until));
}

}  // namespace weft
