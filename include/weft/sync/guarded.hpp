#pragma once

#include <concepts>
#include <functional>
#include <mutex>
#include <type_traits>
#include <utility>

#include <weft/sync/mutex.hpp>

namespace weft {

/// A T that can be reached only while its mutex is held.
///
///     weft::guarded<std::vector<int>> numbers;
///     numbers.lock()->push_back(1);
///     auto count = numbers.with([](auto& all) { return all.size(); });
/// Thread: any, for every member.
template <class T>
class guarded {
 public:
  template <class... Args>
    requires std::constructible_from<T, Args...>
  explicit guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}
  guarded(const guarded&) = delete;
  guarded& operator=(const guarded&) = delete;

  /// The value, held as long as this lives. Pointers and references into the value must not outlive it.
  class [[nodiscard]] access {
   public:
    [[nodiscard]] T& operator*() const noexcept { return *value_; }
    [[nodiscard]] T* operator->() const noexcept { return value_; }

   private:
    friend class guarded;
    access(mutex& held, T& value) noexcept : lock_{held, std::adopt_lock}, value_{&value} {}
    std::unique_lock<mutex> lock_;
    T* value_;
  };

  /// Waits until nobody else holds the value. Parks. Cancel: goes on waiting, as mutex::lock().
  access lock() {
    mutex_.lock();
    return access{mutex_, value_};
  }

  /// Calls `f` with the value held, and returns what it returns. Parks. Cancel: as lock().
  template <class F>
  std::invoke_result_t<F, T&> with(F&& f) {
    auto held = lock();
    return std::invoke(std::forward<F>(f), *held);
  }

  class lock_operation;
  /// lock() as an operation: a result<access>. Cancel: errc::cancelled or errc::timed_out; then it is not held.
  [[nodiscard]] lock_operation async_lock() noexcept { return lock_operation{*this}; }

 private:
  mutex mutex_;  // guards value_
  T value_;
};

/// guarded::async_lock().
template <class T>
class guarded<T>::lock_operation : public mutex::lock_operation {
 public:
  using value_type = result<access>;
  explicit lock_operation(guarded& target) noexcept : mutex::lock_operation{target.mutex_}, target_{&target} {}

  value_type take() const noexcept { return access{target_->mutex_, target_->value_}; }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  guarded* target_;
};

}  // namespace weft
