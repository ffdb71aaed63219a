#pragma once

#include <atomic>
#include <concepts>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include <weft/base/check.hpp>
#include <weft/base/result.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/oneshot.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/detail/task_base.hpp>
#include <weft/task/spawn.hpp>

namespace weft {

/// A T that nobody shares: functions are sent to it, and one virtual thread, its own, calls them one after the other.
/// So they need no lock, and may wait inside: then the next ones wait behind them.
///
///     weft::strand<std::map<std::string, int>> accounts;
///     accounts.post([](auto& all) { all["a"] += 1; });
///     auto sum = accounts.run([](auto& all) { return all["a"] + all["b"]; });
/// Thread: any, for every member.
/// Order: functions are called in the order in which they were sent, those of one sender in its order. What was done
///   before post() or run() is visible to the function.
/// Lifetime: made inside run(). The destructor waits until all that was sent is done.
/// Parks.
template <class T>
class strand {
  template <class R>
  using answer = std::expected<std::conditional_t<std::is_void_v<R>, std::monostate, R>, std::exception_ptr>;

 public:
  template <class... Args>
    requires std::constructible_from<T, Args...>
  explicit strand(Args&&... args)
      : value_(std::forward<Args>(args)...),
        worker_{spawn({.name = "strand", .deadline = inherits_deadline::no}, [this] { work(); })} {}
  strand(const strand&) = delete;
  strand& operator=(const strand&) = delete;
  ~strand() {
    functions_.close();
    worker_.join();
  }

  /// Has `f` called, some time, with the value. Does not wait. An exception that leaves `f` ends the program: nobody
  /// waits for it.
  template <std::invocable<T&> F>
  void post(F f) {
    // Never closed before the destructor, and never full.
    static_cast<void>(functions_.send([f = std::move(f)](T& value) mutable noexcept { std::invoke(f, value); }));
  }

  template <class R>
  class run_operation;
  /// Has `f` called with the value, waits for it, and returns what it returned, or throws what it threw. Not from a
  /// function of the same strand, which would wait for itself.
  /// Parks.
  /// Cancel: errc::cancelled or errc::timed_out; `f` is called all the same, and what it returns is dropped.
  template <std::invocable<T&> F>
  [[nodiscard]] result<std::invoke_result_t<F, T&>> run(F f) {
    return await(async_run(std::move(f)));
  }
  /// Sends `f` now; the operation is the wait.
  template <std::invocable<T&> F>
  [[nodiscard]] auto async_run(F f) {
    using value = std::invoke_result_t<F, T&>;
    // relaxed: only the worker itself can see its own name here
    WEFT_CHECK(working_.load(std::memory_order_relaxed) != &detail::current_task(),
               "a function of a strand does not wait for another one of the same strand: call it", "strand", this);
    auto answered = std::make_shared<oneshot<answer<value>>>();
    post([f = std::move(f), answered](T& state) mutable { static_cast<void>(answered->send(call(f, state))); });
    return run_operation<value>{std::move(answered)};
  }

 private:
  using function = std::move_only_function<void(T&)>;

  template <class F>
  static answer<std::invoke_result_t<F&, T&>> call(F& f, T& state) {
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<F&, T&>>) {
        std::invoke(f, state);
        return {};
      } else {
        return std::invoke(f, state);
      }
    } catch (...) {
      return std::unexpected{std::current_exception()};
    }
  }

  void work() {
    cancellation_shield to_the_end;
    // relaxed: see async_run()
    working_.store(&detail::current_task(), std::memory_order_relaxed);
    for (auto& each : functions_) each(value_);
  }

  T value_;
  channel<function> functions_{unbounded};
  std::atomic<const detail::task_base*> working_{nullptr};
  join_handle<void> worker_;
};

/// strand::async_run().
template <class T>
template <class R>
class strand<T>::run_operation {
  using received = typename oneshot<answer<R>>::recv_operation;

 public:
  using value_type = result<R>;
  static constexpr wait_kind kind = wait_kind::channel;
  explicit run_operation(std::shared_ptr<oneshot<answer<R>>> answered) noexcept
      : answered_{std::move(answered)}, receiving_{*answered_} {}
  run_operation(run_operation&& other) noexcept
      : answered_{std::move(other.answered_)}, receiving_{std::move(other.receiving_)} {}

  bool try_complete() {
    WEFT_CHECK(answered_, "what was moved from cannot wait: run the function again", "strand operation", this);
    return receiving_.try_complete();
  }
  bool arm(wait_node& node) { return receiving_.arm(node); }
  void disarm(wait_node& node) noexcept { receiving_.disarm(node); }
  bool finish() const noexcept { return receiving_.finish(); }
  value_type take() {
    auto taken = receiving_.take();
    if (!taken) return std::unexpected{taken.error()};
    if (!*taken) std::rethrow_exception(taken->error());
    if constexpr (std::is_void_v<R>) {
      return {};
    } else {
      return std::move(**taken);
    }
  }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  std::shared_ptr<oneshot<answer<R>>> answered_;
  received receiving_;
};

}  // namespace weft
