#pragma once

#include <concepts>
#include <expected>
#include <functional>
#include <mutex>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/result.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/task.hpp>

namespace weft {

/// A scope whose children do the same in different ways: the first that succeeds cancels the others, and its value is
/// what join() returns. A child fails by throwing, or by returning a result<T> without a value.
/// Thread: spawn from any task, while it lives; join and the destructor by the owner.
/// Lifetime: as that of a scope.
template <class T>
class first_success {
  static_assert(std::is_object_v<T>, "who wins a race gives a value");

 public:
  first_success() = default;
  first_success(const first_success&) = delete;
  first_success& operator=(const first_success&) = delete;

  /// Starts a task of either kind, which returns a T or a result<T>.
  template <class F>
  void spawn(const spawn_options& options, F&& f, std::source_location site = std::source_location::current()) {
    if constexpr (detail::coroutine_source<F>) {
      children_.spawn(options, run(std::forward<F>(f)), site);
    } else {
      children_.spawn(options, [this, f = std::forward<F>(f)]() mutable { offer(std::invoke(f)); }, site);
    }
  }
  template <class F>
  void spawn(F&& f, std::source_location site = std::source_location::current()) {
    spawn(spawn_options{}, std::forward<F>(f), site);
  }

  /// Waits until all children have ended, which the winner hastens, and returns its value, moved out. When none
  /// succeeded: the first reason that one of them returned; when all threw, throws scope_errors. Without children:
  /// errc::unavailable. Once.
  /// Parks.
  /// Cancel: like the caller's deadline, cancels the children, and still waits for them.
  [[nodiscard]] result<T> join() {
    try {
      children_.join();
    } catch (const scope_errors&) {
      std::lock_guard guard{lock_};
      if (!winner_ && !first_failure_) throw;
    }
    std::lock_guard guard{lock_};
    if (winner_) return std::move(*winner_);
    return std::unexpected{first_failure_.value_or(errc::unavailable)};
  }

  /// The end of all children as an operation, for coroutines; after it, join() does not wait.
  [[nodiscard]] scope::join_operation async_join() noexcept { return children_.async_join(); }

  /// Asks all children, present and future, to stop. Does not wait.
  void cancel() noexcept { children_.cancel(); }

 private:
  template <class F>
  task<> run(F f) {
    if constexpr (std::invocable<F&>) {
      offer(co_await std::invoke(f));
    } else {
      offer(co_await std::move(f));
    }
  }

  template <class Outcome>
  void offer(Outcome&& outcome) {
    bool has_won = false;
    {
      std::lock_guard guard{lock_};
      if constexpr (requires { outcome.error(); }) {
        if (!outcome.has_value()) {
          if (!first_failure_) first_failure_ = outcome.error();
          return;
        }
        has_won = !winner_.has_value();
        if (has_won) winner_.emplace(std::move(*outcome));
      } else {
        has_won = !winner_.has_value();
        if (has_won) winner_.emplace(std::forward<Outcome>(outcome));
      }
    }
    if (has_won) children_.cancel();
  }

  base::spin_lock lock_;  // guards the following two
  std::optional<T> winner_;
  std::optional<std::error_code> first_failure_;
  scope children_{scope_options{.policy = scope_policy::collect_all, .stop = {}}};
};

}  // namespace weft
