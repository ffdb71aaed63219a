#pragma once

#include <concepts>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <type_traits>
#include <utility>

#include <weft/sync/mutex.hpp>
#include <weft/sync/shared_mutex.hpp>

namespace weft {

namespace detail {

/// A value that is held by a lock. Pointers and references into the value must not outlive it.
template <class T, class Lock>
class [[nodiscard]] guarded_access {
 public:
  guarded_access(Lock held, T& value) noexcept : lock_{std::move(held)}, value_{&value} {}
  [[nodiscard]] T& operator*() const noexcept { return *value_; }
  [[nodiscard]] T* operator->() const noexcept { return value_; }

 private:
  Lock lock_;
  T* value_;
};

/// A mutex's operation, which gives access to what the mutex guards.
template <class T, class Lock, class Locking>
class access_operation : public Locking {
 public:
  using value_type = result<guarded_access<T, Lock>>;
  access_operation(Locking locking, typename Lock::mutex_type& held, T& value) noexcept
      : Locking{std::move(locking)}, held_{&held}, value_{&value} {}

  value_type take() const noexcept {
    static_cast<void>(Locking::take());
    return guarded_access<T, Lock>{Lock{*held_, std::adopt_lock}, *value_};
  }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  typename Lock::mutex_type* held_;
  T* value_;
};

}  // namespace detail

/// A T that can be reached only while its mutex is held. With a shared_mutex several may read it at the same time:
/// shared_guarded.
///
///     weft::guarded<std::vector<int>> numbers;
///     numbers.lock()->push_back(1);
///     auto count = numbers.with([](auto& all) { return all.size(); });
/// Thread: any, for every member.
template <class T, class Mutex = mutex>
class guarded {
 public:
  template <class... Args>
    requires std::constructible_from<T, Args...>
  explicit guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}
  guarded(const guarded&) = delete;
  guarded& operator=(const guarded&) = delete;

  /// The value, held as long as this lives.
  using access = detail::guarded_access<T, std::unique_lock<Mutex>>;
  /// The value to read, shared with other readers.
  using shared_access = detail::guarded_access<const T, std::shared_lock<Mutex>>;

  /// Waits until nobody else holds the value.
  /// Parks.
  /// Cancel: goes on waiting, as mutex::lock().
  access lock() { return access{std::unique_lock{mutex_}, value_}; }
  /// Waits until nobody writes the value.
  /// Parks.
  /// Cancel: goes on waiting.
  shared_access lock_shared()
    requires requires(Mutex& held) { held.lock_shared(); }
  {
    return shared_access{std::shared_lock{mutex_}, value_};
  }

  /// Calls `f` with the value held, and returns what it returns.
  /// Parks.
  /// Cancel: as lock().
  template <class F>
  std::invoke_result_t<F, T&> with(F&& f) {
    auto held = lock();
    return std::invoke(std::forward<F>(f), *held);
  }
  /// Calls `f` with the value to read.
  /// Parks.
  /// Cancel: as lock_shared().
  template <class F>
  std::invoke_result_t<F, const T&> with_shared(F&& f)
    requires requires(Mutex& held) { held.lock_shared(); }
  {
    auto held = lock_shared();
    return std::invoke(std::forward<F>(f), *held);
  }

  /// lock() and lock_shared() as operations: results of access.
  /// Cancel: errc::cancelled or errc::timed_out; then it is not held.
  [[nodiscard]] auto async_lock() noexcept {
    using locking = decltype(mutex_.async_lock());
    return detail::access_operation<T, std::unique_lock<Mutex>, locking>{mutex_.async_lock(), mutex_, value_};
  }
  [[nodiscard]] auto async_lock_shared() noexcept
    requires requires(Mutex& held) { held.lock_shared(); }
  {
    using locking = decltype(mutex_.async_lock_shared());
    return detail::access_operation<const T, std::shared_lock<Mutex>, locking>{mutex_.async_lock_shared(), mutex_,
                                                                               value_};
  }

 private:
  Mutex mutex_;  // guards value_
  T value_;
};

template <class T>
using shared_guarded = guarded<T, shared_mutex>;

}  // namespace weft
