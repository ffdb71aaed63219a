#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/task/detail/frame_memory.hpp>

namespace weft {

/// A coroutine that yields a sequence, each element when it is asked for: an input range. It does not wait; for that
/// there is async_generator. What std::generator is in C++23, which not all libraries have.
/// Thread: owner.
/// Lifetime: elements live until the next is asked for.
/// Throws what the coroutine throws, where the next element is asked for.
template <class T>
class [[nodiscard]] generator {
 public:
  class promise_type : public detail::frame_memory<promise_type> {
   public:
    [[nodiscard]] generator get_return_object() noexcept {
      return generator{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] std::suspend_always final_suspend() const noexcept { return {}; }
    std::suspend_always yield_value(T& value) noexcept {
      current_ = std::addressof(value);
      return {};
    }
    std::suspend_always yield_value(T&& value) noexcept { return yield_value(value); }
    void return_void() const noexcept {}
    void unhandled_exception() { throw; }
    void await_transform() = delete;  // it does not wait

   private:
    friend generator;
    T* current_ = nullptr;
  };

  class iterator {
   public:
    using value_type = std::remove_cv_t<T>;
    using difference_type = std::ptrdiff_t;
    T& operator*() const noexcept { return *coroutine_.promise().current_; }
    iterator& operator++() {
      coroutine_.resume();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return coroutine_.done(); }

   private:
    friend generator;
    explicit iterator(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_{coroutine} {}
    std::coroutine_handle<promise_type> coroutine_;
  };

  generator(generator&& other) noexcept : coroutine_{std::exchange(other.coroutine_, nullptr)} {}
  generator& operator=(generator&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~generator() {
    if (coroutine_) coroutine_.destroy();
  }

  /// Runs the coroutine to its first element. Once.
  [[nodiscard]] iterator begin() {
    WEFT_CHECK(coroutine_ && !coroutine_.promise().current_ && !coroutine_.done(), "a generator is iterated over once");
    coroutine_.resume();
    return iterator{coroutine_};
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  explicit generator(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_{coroutine} {}
  std::coroutine_handle<promise_type> coroutine_;
};

}  // namespace weft
