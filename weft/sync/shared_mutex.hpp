#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>

#include <weft/base/result.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/sync/detail/wait_for.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// A mutex that one task holds alone, to write, or several share, to read. Meets SharedTimedMutex, for
/// std::unique_lock, std::shared_lock and std::scoped_lock. Not recursive, and a reader must not lock again while a
/// writer may wait.
///
/// It is a semaphore: a reader takes one permit, a writer all of them.
/// Thread: any: tasks of either kind and plain OS threads.
/// Order: first come, first served: whoever comes after a writer that waits, a reader too, waits behind it, so that a
///   stream of readers starves no writer; readers that wait behind one another go in together. What was done before an
///   unlock is visible to the next holder.
/// Lifetime: unlocked, and nobody waits, when it is destroyed; the destructor checks.
class shared_mutex {
 public:
  shared_mutex() : permits_{all} {}
  ~shared_mutex();

  /// Waits until it holds the mutex alone. Not for coroutines: use async_lock().
  /// Parks.
  /// Cancel: goes on waiting, since std::scoped_lock has no way to fail.
  /// Throws deadlock_error as mutex::lock().
  void lock();
  /// Does not wait.
  [[nodiscard]] bool try_lock() noexcept;
  /// Waits no longer than that. False: it does not hold it.
  /// Parks.
  /// Cancel: false, and it is not held.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& time);
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& until);
  /// By whoever locked. Does not wait.
  void unlock() noexcept;

  /// The same, shared with other readers.
  /// Parks.
  /// Cancel: goes on waiting, since std::shared_lock has no way to fail.
  /// Throws deadlock_error as mutex::lock().
  void lock_shared();
  [[nodiscard]] bool try_lock_shared() noexcept { return permits_.try_acquire(); }
  /// Waits no longer than that. False: it does not hold it.
  /// Parks.
  /// Cancel: false, and it is not held.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_shared_for(const std::chrono::duration<Rep, Period>& time);
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_shared_until(const std::chrono::time_point<Clock, Duration>& until);
  /// By a task that shares it. Does not wait.
  void unlock_shared() noexcept;

  class lock_operation;
  /// Holding the mutex alone, or shared, as an operation: result<void>.
  /// Cancel: errc::cancelled or errc::timed_out; then it is not held.
  [[nodiscard]] lock_operation async_lock() noexcept;
  [[nodiscard]] detail::acquire_operation async_lock_shared() noexcept { return permits_.async_acquire(); }

 private:
  static constexpr std::size_t all = semaphore::max;

  void note_writer() noexcept;

  semaphore permits_;
  std::atomic<const sched::runnable*> writer_{nullptr};  // who holds it alone: written by it alone
};

/// shared_mutex::async_lock().
class shared_mutex::lock_operation : public detail::acquire_operation {
 public:
  explicit lock_operation(shared_mutex& target) noexcept
      : detail::acquire_operation{target.permits_, all}, target_{&target} {}

  value_type take() const noexcept {
    target_->note_writer();
    return {};
  }

 private:
  shared_mutex* target_;
};

inline shared_mutex::lock_operation shared_mutex::async_lock() noexcept { return lock_operation{*this}; }

template <class Rep, class Period>
bool shared_mutex::try_lock_for(const std::chrono::duration<Rep, Period>& time) {
  return detail::wait_for(async_lock(), time);
}
template <class Clock, class Duration>
bool shared_mutex::try_lock_until(const std::chrono::time_point<Clock, Duration>& until) {
  return await(with_deadline(async_lock(), until)).has_value();
}
template <class Rep, class Period>
bool shared_mutex::try_lock_shared_for(const std::chrono::duration<Rep, Period>& time) {
  return detail::wait_for(async_lock_shared(), time);
}
template <class Clock, class Duration>
bool shared_mutex::try_lock_shared_until(const std::chrono::time_point<Clock, Duration>& until) {
  return await(with_deadline(async_lock_shared(), until)).has_value();
}

}  // namespace weft
