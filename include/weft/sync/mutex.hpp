#pragma once

#include <atomic>
#include <cstdint>

#include <weft/base/intrusive_list.hpp>
#include <weft/base/spin_lock.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// Mutual exclusion between virtual threads, coroutines and plain OS threads. Meets Lockable, for std::scoped_lock and
/// std::unique_lock. A task may lock on one OS thread and unlock on another.
/// Order: first come, first served: unlock hands the mutex to the longest waiter.
/// Lifetime: unlocked, and nobody waits, when it is destroyed.
class mutex {
 public:
  mutex() = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  ~mutex() { WEFT_CHECK(state_.load(std::memory_order_relaxed) == free, "unlock a mutex before it is destroyed"); }

  /// Waits until it holds the mutex. Not for coroutines: use async_lock().
  /// Parks. Cancel: goes on waiting, since std::scoped_lock has no way to fail; await(async_lock()) can be cancelled.
  void lock() {
    if (!try_lock()) lock_contended();
  }

  [[nodiscard]] bool try_lock() noexcept {
    auto expected = free;
    // acquire: sees what the last holder did; pairs with unlock. relaxed on failure: nothing was taken.
    return state_.compare_exchange_strong(expected, held, std::memory_order_acquire, std::memory_order_relaxed);
  }

  /// Lets the longest waiter in. By whoever locked.
  void unlock() {
    auto expected = held;
    // release: publishes the section to the next holder; relaxed on failure: hand_over() takes the lock
    if (state_.compare_exchange_strong(expected, free, std::memory_order_release, std::memory_order_relaxed)) return;
    WEFT_CHECK(expected != free, "unlock a mutex only while you hold it");
    hand_over();
  }

  class lock_operation;
  /// Holding the mutex as an operation: result<void>. Cancel, deadline: it is not held.
  [[nodiscard]] lock_operation async_lock() noexcept;

 private:
  // free --try_lock--> held --unlock--> free
  // held --arm--> contended: somebody is in waiters_, unlock goes through hand_over(). Left only under queue_lock_.
  static constexpr std::uint32_t free = 0, held = 1, contended = 2;

  void lock_contended();
  void hand_over() noexcept;
  [[nodiscard]] bool arm(wait_node& node) noexcept;
  void disarm(wait_node& node) noexcept;

  std::atomic<std::uint32_t> state_{free};
  base::spin_lock queue_lock_;  // guards waiters_ and the changes to and from `contended`
  base::intrusive_list<wait_node> waiters_;
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

 private:
  mutex* target_;
};

inline mutex::lock_operation mutex::async_lock() noexcept { return lock_operation{*this}; }

}  // namespace weft
