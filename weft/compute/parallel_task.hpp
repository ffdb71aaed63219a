#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/compute/detail/compute_carrier.hpp>
#include <weft/task/detail/outcome.hpp>

namespace weft {

template <class T = void>
class parallel_task;

namespace detail {

template <class T>
inline constexpr bool is_parallel_task = false;
template <class T>
inline constexpr bool is_parallel_task<parallel_task<T>> = true;

/// F, called with Args, begins a parallel_task.
template <class F, class... Args>
concept begins_parallel_task =
    std::invocable<F, Args...> && is_parallel_task<std::remove_cvref_t<std::invoke_result_t<F, Args...>>>;

template <class F, class... Args>
using parallel_result_t = typename std::invoke_result_t<F, Args...>::value_type;

/// A function that the compiler knows wherever this object is called. By a pointer it would know it too late: a
/// coroutine that begins itself is a loop of its call graph, and Clang builds the beginning of a coroutine into its
/// resumption only where that loop has more members than the coroutine.
template <auto F>
struct known_function {
  template <class... Args>
    requires begins_parallel_task<decltype(F), Args...>
  auto operator()(Args&&... args) const {
    return std::invoke(F, std::forward<Args>(args)...);
  }
};

/// A frame's last act.
struct parallel_final_awaiter {
  const fork_frame& frame;
  // True: the coroutine destroys itself, and returns to its parent's await_suspend.
  [[nodiscard]] bool await_ready() const noexcept { return frame.ends_plainly(); }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
    this_compute_carrier->finish(ended.promise());
  }
  void await_resume() const noexcept {}
};

[[noreturn]] void throw_trouble(fork_frame& frame);

template <class Promise>
struct fork_awaiter {
  fork_frame& self;
  std::coroutine_handle<Promise> child;  // null: stopped, or no memory

  [[nodiscard]] bool await_ready() const noexcept {
    if (child) [[likely]]
      return false;
    self.set(fork_frame::refused);
    return true;
  }
  // Always inline: the registers that the coroutine has saved are saved once.
  [[nodiscard, gnu::always_inline]] bool await_suspend(std::coroutine_handle<>) const noexcept {
    auto& worker = *this_compute_carrier;
    auto& parent = self;
    auto begun = child;
    begun.promise().parent = &parent;
    const auto at = worker.offered_at();
    worker.push(parent, at);  // it may be running elsewhere from here on: touch nothing of it, so of this awaiter
    if (worker.is_deep()) [[unlikely]] {
      worker.run_next(begun.promise());
      return true;
    }
    begun.resume();
    if (worker.is_returning()) [[unlikely]]
      return true;
    if (worker.take_back(at)) [[likely]]
      return false;
    worker.arrive(parent);
    return true;
  }
  void await_resume() const noexcept {}
};

template <class Promise>
struct call_awaiter {
  fork_frame& self;
  std::coroutine_handle<Promise> child;  // null: as above

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  [[nodiscard]] bool await_suspend(std::coroutine_handle<>) const noexcept {
    auto& worker = *this_compute_carrier;
    auto& parent = self;
    auto begun = child;
    if (!begun) [[unlikely]] {
      parent.set(fork_frame::call_failed);
      return worker.waits_for_children(parent);
    }
    begun.promise().parent = &parent;
    begun.promise().how = fork_frame::kind::called;
    if (worker.is_deep()) [[unlikely]] {
      worker.run_next(begun.promise());
      return true;
    }
    begun.resume();
    // Returning: the child has suspended, and whoever ends it goes on with the parent, perhaps already.
    if (worker.is_returning()) [[unlikely]]
      return true;
    if (parent.is(fork_frame::call_failed)) [[unlikely]]
      return worker.waits_for_children(parent);
    return false;
  }
  void check() const {
    if (self.is(fork_frame::call_failed)) [[unlikely]]
      throw_trouble(self);
  }
  void await_resume() const { check(); }
};

/// call() of a task with a value, which is kept here until it is returned.
template <class T, class Promise>
struct value_call_awaiter : call_awaiter<Promise> {
  value_call_awaiter(fork_frame& caller, std::coroutine_handle<Promise> begun) noexcept
      : call_awaiter<Promise>{caller, begun} {
    if (begun) begun.promise().result = &value;
  }
  [[nodiscard]] T await_resume() {
    this->check();
    return std::move(value);
  }
  T value;
};

struct join_awaiter {
  fork_frame& self;
  [[nodiscard]] bool await_ready() const noexcept { return self.steals == 0; }
  [[nodiscard]] bool await_suspend(std::coroutine_handle<>) const noexcept {
    return this_compute_carrier->waits_for_children(self);
  }
  void await_resume() const {
    if (self.is(fork_frame::trouble)) [[unlikely]]
      throw_trouble(self);
  }
};

// What fork(), call() and join() return, to be awaited at once.
template <class Promise>
struct fork_request {
  std::coroutine_handle<Promise> coroutine;
};
template <class Promise>
struct call_request {
  std::coroutine_handle<Promise> coroutine;
};
template <class T, class Promise>
struct value_call_request {
  std::coroutine_handle<Promise> coroutine;
};
struct join_request {};

/// Of the promises that do not depend on the result.
struct parallel_promise_base : fork_frame {
  parallel_promise_base() noexcept : fork_frame{this_compute_carrier->stack()} {}

  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] parallel_final_awaiter final_suspend() const noexcept { return {*this}; }
  void unhandled_exception() noexcept {
    set(threw);
    stack->root->keep(*this, std::current_exception());
  }

  /// Null: the task is empty, and fork() or call() say why.
  [[nodiscard]] static void* operator new(std::size_t bytes) noexcept {
    auto* worker = this_compute_carrier;
    if (worker == nullptr) [[unlikely]]
      compute_carrier::nowhere();
    return worker->allocate(bytes);
  }
  static void operator delete(void* memory, std::size_t) noexcept {
    this_compute_carrier->release(static_cast<std::byte*>(memory));
  }
  // By Clang with -fcoro-aligned-allocation.
  [[nodiscard]] static void* operator new(std::size_t bytes, std::align_val_t alignment) noexcept {
    auto* worker = this_compute_carrier;
    if (worker == nullptr) [[unlikely]]
      compute_carrier::nowhere();
    return worker->allocate(bytes, std::max(base::frame_alignment, static_cast<std::size_t>(alignment)));
  }
  static void operator delete(void* memory, std::size_t bytes, std::align_val_t) noexcept {
    operator delete(memory, bytes);
  }

  template <class Child>
  [[nodiscard]] fork_awaiter<Child> await_transform(fork_request<Child> request) noexcept {
    return {*this, request.coroutine};
  }
  template <class Child>
  [[nodiscard]] call_awaiter<Child> await_transform(call_request<Child> request) noexcept {
    return {*this, request.coroutine};
  }
  template <class T, class Child>
  [[nodiscard]] value_call_awaiter<T, Child> await_transform(value_call_request<T, Child> request) noexcept {
    return {*this, request.coroutine};
  }
  [[nodiscard]] join_awaiter await_transform(join_request) noexcept { return {*this}; }
};

template <class T>
struct parallel_promise : parallel_promise_base {
  [[nodiscard]] parallel_task<T> get_return_object() noexcept;
  static parallel_task<T> get_return_object_on_allocation_failure() noexcept;
  template <class U>
    requires std::is_assignable_v<T&, U&&>
  void return_value(U&& value) {
    *result = std::forward<U>(value);
  }
  T* result = nullptr;
};

template <>
struct parallel_promise<void> : parallel_promise_base {
  [[nodiscard]] parallel_task<void> get_return_object() noexcept;
  static parallel_task<void> get_return_object_on_allocation_failure() noexcept;
  void return_void() const noexcept {}
};

}  // namespace detail

/// A coroutine that forks: begun by fork(), call() or fork_join(), never by itself, so that frames come and go last in,
/// first out. It runs on a compute carrier, and may go on on another after each fork, call and join.
///
///     weft::parallel_task<int> fib(int n) {
///       if (n < 2) co_return n;
///       int a = 0;
///       co_await weft::fork<fib>(a, n - 1);
///       int b = co_await weft::call<fib>(n - 2);
///       co_await weft::join();
///       co_return a + b;
///     }
///
/// What a forked child uses by reference lives until join(). So nothing of the body's own may throw between a fork and
/// its join, unless it is caught there; what call() throws comes only when the forked children have ended.
/// T is void, or default-constructible and assignable.
/// Lifetime: owned by whoever begins it.
template <class T>
class [[nodiscard]] parallel_task {
 public:
  using promise_type = detail::parallel_promise<T>;
  using value_type = T;

  parallel_task(const parallel_task&) = delete;
  parallel_task& operator=(const parallel_task&) = delete;

 private:
  friend struct detail::parallel_promise<T>;
  template <class F, class... Args>
    requires detail::begins_parallel_task<F, Args...>
  friend auto begin_parallel(F&& f, Args&&... args);

  explicit parallel_task(std::coroutine_handle<detail::parallel_promise<T>> coroutine) noexcept
      : coroutine_{coroutine} {}

  std::coroutine_handle<detail::parallel_promise<T>> coroutine_;
};

/// Calls a coroutine function and gives the handle of what it began, which is null when there is no memory or the
/// computation was stopped. For fork(), call() and fork_join().
template <class F, class... Args>
  requires detail::begins_parallel_task<F, Args...>
[[nodiscard]] auto begin_parallel(F&& f, Args&&... args) {
  return std::invoke(std::forward<F>(f), std::forward<Args>(args)...).coroutine_;
}

/// Begins `f(args...)`, a parallel_task, and offers what follows here to other carriers meanwhile. Its value, if any,
/// is dropped. What it throws, join() throws; of several one, and the rest are counted (compute_statistics).
/// When the computation was cancelled, or there is no memory for a frame, nothing begins, and join() throws that.
/// Cost: some nanoseconds; the fewest where the compiler knows what is begun, as in fork<f>(args...) or with a lambda
/// that captures nothing, for then Clang builds the beginning of the child into its parent.
template <class F, class... Args>
  requires detail::begins_parallel_task<F, Args...> && std::is_void_v<detail::parallel_result_t<F, Args...>>
[[nodiscard]] auto fork(F&& f, Args&&... args) {
  using promise = detail::parallel_promise<void>;
  return detail::fork_request<promise>{begin_parallel(std::forward<F>(f), std::forward<Args>(args)...)};
}

/// The same with a value, which is in `result` after join().
template <class T, class F, class... Args>
  requires detail::begins_parallel_task<F, Args...> && std::same_as<T, detail::parallel_result_t<F, Args...>>
[[nodiscard]] auto fork(T& result, F&& f, Args&&... args) {
  auto begun = begin_parallel(std::forward<F>(f), std::forward<Args>(args)...);
  if (begun) begun.promise().result = &result;
  return detail::fork_request<detail::parallel_promise<T>>{begun};
}

/// Runs `f(args...)`, a parallel_task, here, and gives its value or throws what it threw.
template <class F, class... Args>
  requires detail::begins_parallel_task<F, Args...>
[[nodiscard]] auto call(F&& f, Args&&... args) {
  using value = detail::parallel_result_t<F, Args...>;
  using promise = detail::parallel_promise<value>;
  auto begun = begin_parallel(std::forward<F>(f), std::forward<Args>(args)...);
  if constexpr (std::is_void_v<value>) {
    return detail::call_request<promise>{begun};
  } else {
    return detail::value_call_request<value, promise>{begun};
  }
}

/// fork(f, args...) and fork(result, f, args...) with a function that the compiler knows.
template <auto F, class... Args>
  requires detail::begins_parallel_task<decltype(F), Args...> &&
           std::is_void_v<detail::parallel_result_t<decltype(F), Args...>>
[[nodiscard]] auto fork(Args&&... args) {
  return fork(detail::known_function<F>{}, std::forward<Args>(args)...);
}
template <auto F, class T, class... Args>
  requires detail::begins_parallel_task<decltype(F), Args...> &&
           std::same_as<T, detail::parallel_result_t<decltype(F), Args...>>
[[nodiscard]] auto fork(T& result, Args&&... args) {
  return fork(result, detail::known_function<F>{}, std::forward<Args>(args)...);
}

/// call(f, args...) with a function that the compiler knows.
template <auto F, class... Args>
  requires detail::begins_parallel_task<decltype(F), Args...>
[[nodiscard]] auto call(Args&&... args) {
  return call(detail::known_function<F>{}, std::forward<Args>(args)...);
}

/// Waits for all that this coroutine forked, and throws what one of them threw. Afterwards what they wrote is seen.
[[nodiscard]] inline detail::join_request join() noexcept { return {}; }

namespace detail {

template <class T>
parallel_task<T> parallel_promise<T>::get_return_object() noexcept {
  WEFT_ASSERT(address() == std::coroutine_handle<parallel_promise>::from_promise(*this).address());
  return parallel_task<T>{std::coroutine_handle<parallel_promise>::from_promise(*this)};
}
template <class T>
parallel_task<T> parallel_promise<T>::get_return_object_on_allocation_failure() noexcept {
  return parallel_task<T>{nullptr};
}
inline parallel_task<void> parallel_promise<void>::get_return_object() noexcept {
  return parallel_task<void>{std::coroutine_handle<parallel_promise>::from_promise(*this)};
}
inline parallel_task<void> parallel_promise<void>::get_return_object_on_allocation_failure() noexcept {
  return parallel_task<void>{nullptr};
}

}  // namespace detail
}  // namespace weft
