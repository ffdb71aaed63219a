#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/task/detail/async_frame.hpp>
#include <weft/task/detail/frame_memory.hpp>
#include <weft/task/detail/task_base.hpp>
#include <weft/task/detail/transfer.hpp>
#include <weft/task/foreign_wait.hpp>

namespace weft {

/// A coroutine that yields a sequence and may wait between two elements.
///
///   async_generator<row> rows(database& from) { while (auto row = co_await from.async_next()) co_yield *row; }
///   …
///   while (auto* row = co_await all.async_next()) …    in a coroutine
///   while (auto* row = all.next()) …                   in a virtual thread
///
/// Thread: one task at a time.
/// Lifetime: an element lives until the next is asked for; destroyed between two elements.
/// Throws what the coroutine throws, where the next element is asked for.
template <class T>
class [[nodiscard]] async_generator {
 public:
  class promise_type;

 private:
  /// Where the coroutine goes when it has an element, or none any more: to whoever asked.
  struct hand_over {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> from) const noexcept {
      auto asked = std::exchange(from.promise().continuation, {});
      return asked ? detail::transfer_to(asked.handle()) : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

 public:
  class promise_type : public detail::async_frame, public detail::frame_memory<promise_type> {
   public:
    [[nodiscard]] async_generator get_return_object() noexcept {
      return async_generator{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] hand_over final_suspend() noexcept {
      current_ = nullptr;
      return {};
    }
    [[nodiscard]] hand_over yield_value(T& value) noexcept {
      current_ = std::addressof(value);
      return {};
    }
    [[nodiscard]] hand_over yield_value(T&& value) noexcept { return yield_value(value); }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

   private:
    friend async_generator;
    [[nodiscard]] T* element() {
      if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
      return current_;
    }

    T* current_ = nullptr;
    std::exception_ptr error_;
  };

  async_generator(async_generator&& other) noexcept : coroutine_{std::exchange(other.coroutine_, nullptr)} {}
  async_generator& operator=(async_generator&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~async_generator() {
    if (coroutine_) coroutine_.destroy();
  }

  /// The next element; null when there are no more. For virtual threads and OS threads; a coroutine uses async_next().
  /// Parks whenever the coroutine waits.
  /// Cancel: reaches its waits.
  [[nodiscard]] T* next() {
    WEFT_CHECK(detail::current_task().kind() != detail::task_kind::coroutine, "inside a coroutine, use async_next()");
    // Every wait inside happens in place, so that it returns with the next element or at the end.
    if (!is_over()) detail::run_in_place(coroutine_);
    return coroutine_.promise().element();
  }

  /// next() for co_await. A loop of any length uses no stack.
  [[nodiscard]] auto async_next() noexcept { return awaiter{coroutine_, is_over()}; }

 private:
  struct awaiter {
    using awaited_as_it_is = void;
    std::coroutine_handle<promise_type> coroutine;
    bool is_over;
    [[nodiscard]] bool await_ready() const noexcept { return is_over; }
    template <class Caller>
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<Caller> caller) const noexcept {
      coroutine.promise().continuation = detail::coroutine_link{caller};
      return detail::transfer_to(coroutine);
    }
    [[nodiscard]] T* await_resume() const { return coroutine.promise().element(); }
  };

  explicit async_generator(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_{coroutine} {}
  [[nodiscard]] bool is_over() const noexcept {
    WEFT_CHECK(coroutine_ && !coroutine_.promise().continuation, "one element at a time is asked of a generator");
    return coroutine_.done();
  }

  std::coroutine_handle<promise_type> coroutine_;
};

}  // namespace weft
