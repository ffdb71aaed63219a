#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/task/detail/async_frame.hpp>
#include <weft/task/detail/coroutine_task.hpp>
#include <weft/task/detail/frame_memory.hpp>
#include <weft/task/detail/outcome.hpp>
#include <weft/task/detail/transfer.hpp>
#include <weft/task/foreign_wait.hpp>

namespace weft {

template <class T = void>
class task;

namespace detail {

/// Where a coroutine goes when it ends: to whoever awaits it, or, being the outermost, to its task's end.
struct final_awaiter {
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <class Promise>
  [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
    auto& promise = ended.promise();
    if (promise.continuation) return transfer_to(promise.continuation.handle());
    // Ends the task and may destroy this coroutine: touch nothing after it.
    if (promise.root) promise.root->finished();
    return std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

template <class T>
struct promise;

template <class T>
struct promise_base : async_frame, frame_memory<promise<T>, alignof(outcome<T>)> {
  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] final_awaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { result.set_error(std::current_exception()); }

  outcome<T> result;
  coroutine_state* root = nullptr;  // the task, when this coroutine is its outermost
};

template <class T>
struct promise : promise_base<T> {
  [[nodiscard]] task<T> get_return_object() noexcept;
  template <class U>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& value) {
    this->result.set_value(std::forward<U>(value));
  }
};

template <>
struct promise<void> : promise_base<void> {
  [[nodiscard]] task<void> get_return_object() noexcept;
  void return_void() noexcept { result.set_value(); }
};

}  // namespace detail

/// A coroutine: lazy, it runs when it is awaited or spawned. `co_await` gives its value or throws what it threw, by
/// symmetric transfer, or by return to the loop that resumed the task: chains and loops of any length use a few
/// kilobytes of stack, with every compiler and at every level of optimisation.
/// Thread: owner.
/// Lifetime: owns the coroutine, which must be over, or never begun, when it is destroyed.
template <class T>
class [[nodiscard]] task {
 public:
  using promise_type = detail::promise<T>;
  using value_type = T;
  using awaited_as_it_is = void;

  task(task&& other) noexcept : coroutine_{std::exchange(other.coroutine_, nullptr)} {}
  task& operator=(task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~task() {
    if (coroutine_) coroutine_.destroy();
  }

  /// Runs the coroutine and gives its value. Once.
  [[nodiscard]] auto operator co_await() && noexcept {
    WEFT_CHECK(coroutine_ && !coroutine_.done() && !coroutine_.promise().continuation,
               "a task is awaited once, and not after it was moved from", "coroutine", this);
    return awaiter{coroutine_};
  }

  /// For spawn and await: the coroutine itself.
  [[nodiscard]] std::coroutine_handle<promise_type> handle() const noexcept { return coroutine_; }

 private:
  friend promise_type;
  struct awaiter {
    std::coroutine_handle<promise_type> coroutine;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Caller>
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<Caller> caller) const noexcept {
      coroutine.promise().continuation = detail::coroutine_link{caller};
      return detail::transfer_to(coroutine);
    }
    T await_resume() const { return coroutine.promise().result.take(); }
  };

  explicit task(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_{coroutine} {}

  std::coroutine_handle<promise_type> coroutine_;
};

/// Runs a coroutine on the caller's own stack, which waits whenever the coroutine does. For virtual threads and plain
/// OS threads; a coroutine uses co_await.
template <class T>
T await(task<T> coroutine) {
  WEFT_CHECK(detail::current_task().kind() != detail::task_kind::coroutine, "inside a coroutine, use co_await");
  WEFT_CHECK(coroutine.handle() && !coroutine.handle().done(),
             "a task is awaited once, and not after it was moved from", "coroutine", &coroutine);
  // Every wait inside happens in place, so that it returns only at the end.
  detail::run_in_place(coroutine.handle());
  return coroutine.handle().promise().result.take();
}

namespace detail {

template <class T>
task<T> promise<T>::get_return_object() noexcept {
  return task<T>{std::coroutine_handle<promise>::from_promise(*this)};
}

inline task<void> promise<void>::get_return_object() noexcept {
  return task<void>{std::coroutine_handle<promise>::from_promise(*this)};
}

}  // namespace detail
}  // namespace weft
