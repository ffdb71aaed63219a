#pragma once

#include <cstddef>

#include <weft/base/intrusive_list.hpp>
#include <weft/base/spin_lock.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// A number of permits, for virtual threads, coroutines and plain OS threads.
/// Order: first come, first served; nobody overtakes the longest waiter, except by try_acquire() while nobody waits.
/// Lifetime: nobody waits when it is destroyed.
class semaphore {
 public:
  explicit semaphore(std::size_t permits) noexcept : permits_{permits} {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore() { WEFT_CHECK(waiters_.empty(), "a semaphore is destroyed only when nobody waits for it"); }

  /// Waits for a permit and takes it. Parks. Cancel: errc::cancelled, and has not taken one.
  [[nodiscard]] result<void> acquire();
  [[nodiscard]] bool try_acquire() noexcept;
  /// Adds permits, and gives them to the longest waiters.
  void release(std::size_t permits = 1) noexcept;

  class acquire_operation;
  [[nodiscard]] acquire_operation async_acquire() noexcept;

 private:
  base::spin_lock lock_;  // guards all below
  std::size_t permits_;
  base::intrusive_list<wait_node> waiters_;
};

class semaphore::acquire_operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  explicit acquire_operation(semaphore& target) noexcept : target_{&target} {}

  bool try_complete() noexcept { return target_->try_acquire(); }
  bool arm(wait_node& node) noexcept;
  void disarm(wait_node& node) noexcept;
  bool finish() const noexcept { return true; }
  value_type take() const { return {}; }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  semaphore* target_;
};

inline semaphore::acquire_operation semaphore::async_acquire() noexcept { return acquire_operation{*this}; }
inline result<void> semaphore::acquire() { return await(async_acquire()); }

}  // namespace weft
