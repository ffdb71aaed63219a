#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/result.hpp>
#include <weft/sync/detail/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft {

namespace detail {
class acquire_operation;
}

/// A number of permits, which tasks take and give back. A permit belongs to nobody: any task may release it.
///
/// Without waiters, acquire() and release() are one compare-exchange each.
/// Thread: any: tasks of either kind and plain OS threads.
/// Order: permits go to waiters in the order in which they began to wait; a small request does not overtake a large
///   one, so that none starves. What was done before release() is visible to whoever gets its permits.
/// Lifetime: destroyed when nobody waits; the destructor checks. A release() that is returning does no harm.
class semaphore {
 public:
  /// The most permits there can be at a time.
  static constexpr std::size_t max = SIZE_MAX / 4;

  explicit semaphore(std::size_t permits);
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore();

  /// Waits until `permits` are there and all requests before this one are met, and takes them.
  /// Parks.
  /// Cancel: errc::cancelled or errc::timed_out; none was taken.
  [[nodiscard]] result<void> acquire(std::size_t permits = 1);

  /// True when `permits` were there, nobody waited, and they are now the caller's.
  [[nodiscard]] bool try_acquire(std::size_t permits = 1) noexcept;

  /// Gives permits back, or adds new ones. Does not wait.
  void release(std::size_t permits = 1) noexcept;

  /// Permits that are free. May be old at once.
  [[nodiscard]] std::size_t available() const noexcept;

  /// acquire() as an operation.
  [[nodiscard]] detail::acquire_operation async_acquire(std::size_t permits = 1) noexcept;

 private:
  friend class detail::acquire_operation;

  // The free permits, times two, plus one while there are waiters. While that bit is set the word is changed only under
  // lock_, and everybody takes the slow way.
  static constexpr std::size_t waiting_bit = 1, one_permit = 2;

  /// Gives what there is to the first waiters. Under lock_, with waiting_bit set.
  void serve(detail::woken_waiters& woken) noexcept;
  [[nodiscard]] bool acquire_or_wait(detail::acquire_operation& operation, wait_node& node) noexcept;
  void stop_waiting(detail::acquire_operation& operation) noexcept;

  std::atomic<std::size_t> word_;
  base::spin_lock lock_;  // guards waiters_
  base::intrusive_list<detail::acquire_operation> waiters_;
};

namespace detail {

/// semaphore::async_acquire(). In the semaphore's list while it waits.
class acquire_operation : base::list_hook {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  static constexpr bool locks_to_arm = true;
  acquire_operation(semaphore& target, std::size_t permits) noexcept : target_{&target}, permits_{permits} {}
  acquire_operation(acquire_operation&& other) noexcept : target_{other.target_}, permits_{other.permits_} {}

  bool try_complete() const noexcept { return target_->try_acquire(permits_); }
  bool arm(wait_node& node) noexcept { return target_->acquire_or_wait(*this, node); }
  void disarm(wait_node& node) noexcept {
    if (!node.ended_the_wait()) target_->stop_waiting(*this);  // else taken out, and the semaphore may be gone
  }
  bool finish() const noexcept { return true; }
  value_type take() const noexcept { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(wait_description& into) const { into.add(kind, "semaphore", target_); }

 private:
  friend class weft::semaphore;
  template <class T>
  friend class base::intrusive_list;

  semaphore* target_;
  std::size_t permits_;
  wait_node* node_ = nullptr;
};

}  // namespace detail

inline detail::acquire_operation semaphore::async_acquire(std::size_t permits) noexcept {
  return detail::acquire_operation{*this, permits};
}

inline result<void> semaphore::acquire(std::size_t permits) { return await(async_acquire(permits)); }

}  // namespace weft
