#pragma once

#include <atomic>
#include <cstdint>

#include <weft/base/spin_lock.hpp>
#include <weft/sync/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft {

namespace detail {
class condition_wait;
}

/// Mutual exclusion between virtual threads, coroutines and plain OS threads. Meets Lockable, for std::scoped_lock and
/// std::unique_lock. A task may lock on one OS thread and unlock on another. Not recursive.
/// Order: first come, first served: unlock hands the mutex to the longest waiter.
/// Lifetime: unlocked, and nobody waits, when it is destroyed, which may be as soon as it is free, while the last
///   unlock() is returning; the destructor checks.
class mutex {
 public:
  mutex() = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  ~mutex();

  /// Waits until it holds the mutex. Not for coroutines: use async_lock().
  /// Parks. Cancel: goes on waiting, since std::scoped_lock has no way to fail; await(async_lock()) can be cancelled.
  void lock() {
    if (!try_lock()) lock_contended();
  }

  /// Does not wait. May fail although the mutex has just become free.
  [[nodiscard]] bool try_lock() noexcept {
    auto expected = free;
    // acquire: sees what the last holder did; pairs with unlock. relaxed on failure: nothing was taken.
    if (!state_.compare_exchange_strong(expected, held, std::memory_order_acquire, std::memory_order_relaxed)) {
      return false;
    }
    if (detail::waits_are_tracked()) [[unlikely]]
      note_holder(detail::current_task());
    return true;
  }

  /// Lets the longest waiter in. By whoever locked. Does not wait.
  void unlock() noexcept {
    auto expected = held;
    // release: publishes the section to the next holder; relaxed on failure: hand_over() takes the lock
    if (state_.compare_exchange_strong(expected, free, std::memory_order_release, std::memory_order_relaxed)) return;
    WEFT_CHECK(expected != free, "unlock a mutex only while you hold it");
    hand_over();
  }

  class lock_operation;
  /// Holding the mutex as an operation: result<void>. Unlock by hand, or through std::unique_lock{m, std::adopt_lock}.
  /// Cancel: errc::cancelled or errc::timed_out; then it is not held.
  [[nodiscard]] lock_operation async_lock() noexcept;

 private:
  friend class detail::condition_wait;

  // free       nobody holds it, nobody waits
  // held       somebody holds it, nobody waits
  // contended  somebody holds it, somebody may wait: unlock() goes through hand_over(). Entered and left under the
  //            queue's lock
  //
  //   free --try_lock--> held --unlock--> free
  //   free, held --arm--> contended
  //   contended --hand_over--> contended, held or free: the first waiter has it, or there was none
  static constexpr std::uint32_t free = 0, held = 1, contended = 2;

  /// For the search for deadlocks, where tasks are tracked: who holds it from now on.
  void note_holder(const sched::runnable& task) noexcept {
    // relaxed: compared only, and looked at twice
    holder_.store(static_cast<const detail::task_state*>(&task), std::memory_order_relaxed);
  }
  void describe(detail::wait_description& into) const;

  void lock_contended();
  void hand_over() noexcept;
  [[nodiscard]] bool arm(wait_node& node) noexcept;
  /// The same under queue_lock_. True when `node` was claimed and holds the mutex; false when it is in the queue, or
  /// its wait was decided before.
  [[nodiscard]] bool lock_or_queue(wait_node& node) noexcept;
  void disarm(wait_node& node) noexcept;

  std::atomic<std::uint32_t> state_{free};
  base::spin_lock queue_lock_;  // guards waiters_ and the changes to and from `contended`
  detail::wait_list waiters_;
  std::atomic<const detail::task_state*> holder_{nullptr};  // the last that was noted
};

class mutex::lock_operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  explicit lock_operation(mutex& target) noexcept : target_{&target} {}

  bool try_complete() noexcept { return target_->try_lock(); }
  bool arm(wait_node& node) noexcept { return target_->arm(node); }
  void disarm(wait_node& node) noexcept { target_->disarm(node); }
  bool finish() const noexcept { return true; }
  value_type take() const { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(detail::wait_description& into) const { target_->describe(into); }

 private:
  mutex* target_;
};

inline mutex::lock_operation mutex::async_lock() noexcept { return lock_operation{*this}; }

}  // namespace weft
