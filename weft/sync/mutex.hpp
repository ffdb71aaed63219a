#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <weft/base/check.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/sync/detail/wait_for.hpp>
#include <weft/sync/detail/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft {

namespace detail {
class condition_wait;
}

/// Mutual exclusion between virtual threads, coroutines and plain OS threads. Meets TimedLockable, for std::scoped_lock
/// and std::unique_lock. A task may lock on one OS thread and unlock on another. Not recursive: a task that locks what
/// it holds, or unlocks what it does not hold, ends the program with a message.
/// Order: first come, first served: unlock hands the mutex to the longest waiter, so that nobody starves. What was done
///   before unlock() is visible to the next holder.
/// Lifetime: unlocked, and nobody waits, when it is destroyed, which may be as soon as it is free, while the last
///   unlock() is returning; the destructor checks.
class mutex {
 public:
  mutex() = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  ~mutex();

  /// Waits until it holds the mutex. Not for coroutines: use async_lock().
  /// Parks.
  /// Cancel: goes on waiting, since std::scoped_lock has no way to fail; await(async_lock()) can be cancelled.
  /// Throws deadlock_error, and does not hold it, when the wait is part of a deadlock and the runtime ends those.
  void lock() {
    if (!try_lock()) lock_contended();
  }

  /// Does not wait. May fail although the mutex has just become free.
  [[nodiscard]] bool try_lock() noexcept {
    std::uintptr_t expected = free;
    // acquire: sees what the last holder did; pairs with unlock. relaxed on failure: nothing was taken.
    return state_.compare_exchange_strong(expected, word_of(detail::current_task()), std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }

  /// Waits until it holds the mutex, no longer than that. False: it does not hold it. A time that has passed does not
  /// wait.
  /// Parks.
  /// Cancel: false, and it is not held.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& time);
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& until);

  /// Lets the longest waiter in. By whoever locked. Does not wait.
  void unlock() noexcept {
    auto& self = detail::current_task();
    auto expected = word_of(self);
    // release: publishes the section to the next holder; relaxed on failure: hand_over() takes the lock
    if (state_.compare_exchange_strong(expected, free, std::memory_order_release, std::memory_order_relaxed)) return;
    unlock_contended(self, expected);
  }

  class lock_operation;
  /// Holding the mutex as an operation: result<void>. Unlock by hand, or through std::unique_lock{m, std::adopt_lock}.
  /// Cancel: errc::cancelled or errc::timed_out; then it is not held.
  [[nodiscard]] lock_operation async_lock() noexcept;

  /// Who holds it, null when nobody does. May be old at once, and the task gone: for comparing.
  [[nodiscard]] const detail::task_base* holder() const noexcept {
    // relaxed: only a hint
    return task_of(state_.load(std::memory_order_relaxed));
  }

 private:
  friend class detail::condition_wait;

  // free              nobody holds it, nobody waits
  // task              that task holds it, nobody waits
  // task | contended  that task holds it, somebody may wait: unlock() goes through hand_over(). Entered and left under
  //                   the queue's lock
  // contended         an instant, under the queue's lock: free, and about to be taken
  //
  //   free --try_lock--> task --unlock--> free
  //   free, task --lock_or_queue--> contended, task | contended
  //   task | contended --hand_over--> the first waiter, with the bit while there are more; free when there was none
  //   task --take_over--> another task: the one that a blocking wait in a coroutine was for
  static constexpr std::uintptr_t free = 0, contended = 1;

  [[nodiscard]] static std::uintptr_t word_of(const sched::runnable& task) noexcept {
    return reinterpret_cast<std::uintptr_t>(static_cast<const detail::task_base*>(&task));
  }
  [[nodiscard]] static const detail::task_base* task_of(std::uintptr_t word) noexcept {
    return reinterpret_cast<const detail::task_base*>(word & ~contended);
  }

  void describe(detail::wait_description& into) const;

  void lock_contended();
  void unlock_contended(const sched::runnable& self, std::uintptr_t seen) noexcept;
  void hand_over() noexcept;
  [[nodiscard]] bool arm(wait_node& node) noexcept;
  /// The same under queue_lock_. True when `claim()` has ended the wait of `node`, which holds the mutex; false when it
  /// is in the queue, or its wait was decided before.
  template <class Claim>
  [[nodiscard]] bool lock_or_queue(wait_node& node, Claim claim) noexcept;
  void disarm(wait_node& node) noexcept;
  /// By who has just got it: a coroutine that waited in a blocking form waited as an OS thread.
  void take_over() noexcept;

  std::atomic<std::uintptr_t> state_{free};
  base::spin_lock queue_lock_;  // guards waiters_ and the changes to and from `contended`
  detail::wait_list waiters_;
};

/// mutex::async_lock().
class mutex::lock_operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  static constexpr bool locks_to_arm = true;
  explicit lock_operation(mutex& target) noexcept : target_{&target} {}

  bool try_complete() noexcept { return target_->try_lock(); }
  bool arm(wait_node& node) noexcept { return target_->arm(node); }
  void disarm(wait_node& node) noexcept { target_->disarm(node); }
  bool finish() const noexcept { return true; }
  value_type take() const noexcept {
    target_->take_over();
    return {};
  }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(detail::wait_description& into) const { target_->describe(into); }

 private:
  mutex* target_;
};

inline mutex::lock_operation mutex::async_lock() noexcept { return lock_operation{*this}; }

template <class Claim>
bool mutex::lock_or_queue(wait_node& node, Claim claim) noexcept {
  // acquire: as in try_lock. From here on unlock() comes to hand_over(), which waits for queue_lock_.
  auto before = state_.fetch_or(contended, std::memory_order_acquire);
  if (before != free) {
    // Where deadlocks are searched for, that is one, and the wait may fail.
    WEFT_CHECK(task_of(before) != node.task || detail::waits_are_tracked(),
               "a mutex is not recursive: this task holds it already", "mutex", this);
    waiters_.push_back(node);
    return false;
  }
  // Nobody waits: those who do keep the state contended. Before it is told, for it may run at once.
  // release, both: the next holder sees through us what unlock() published
  state_.store(word_of(*node.task), std::memory_order_release);
  if (claim()) return true;
  state_.store(free, std::memory_order_release);
  return false;
}

template <class Rep, class Period>
bool mutex::try_lock_for(const std::chrono::duration<Rep, Period>& time) {
  return detail::wait_for(async_lock(), time);
}
template <class Clock, class Duration>
bool mutex::try_lock_until(const std::chrono::time_point<Clock, Duration>& until) {
  return await(with_deadline(async_lock(), until)).has_value();
}

}  // namespace weft
