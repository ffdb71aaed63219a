#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <weft/base/result.hpp>
#include <weft/task/operation.hpp>

namespace weft::detail {

/// The part of stack_call that does not depend on the function.
class stack_call_base {
 public:
  static constexpr wait_kind kind = wait_kind::join;

  [[nodiscard]] bool arm(wait_node& node);
  void disarm(wait_node& node) noexcept;
  [[nodiscard]] bool finish() const noexcept { return has_ended(); }
  [[nodiscard]] bool request_cancel(wait_node& node, std::uint64_t epoch) noexcept;
  void describe(wait_description& into) const;

 protected:
  explicit stack_call_base(std::source_location site) noexcept : site_{site} {}
  stack_call_base(stack_call_base&& other) noexcept : site_{other.site_}, use_{std::move(other.use_)} {}
  ~stack_call_base();

  [[nodiscard]] bool has_ended() const noexcept;
  [[nodiscard]] const single_use& use() const noexcept { return use_; }
  void spend() noexcept { use_.spend(); }

 private:
  virtual void call() noexcept = 0;
  /// There is no stack for it.
  virtual void refuse(std::error_code why) noexcept = 0;
  [[nodiscard]] std::error_code begin(task_base& waiter);

  std::source_location site_;
  task_base* task_ = nullptr;  // has a reference, from its beginning on
  bool has_begun_ = false;
  single_use use_;
};

/// Calls a function that waits in plain forms, and returns a result, on behalf of a coroutine: on a virtual thread of
/// its own, which has the waiter's deadline and task_local values. A function that needs no wait, if `try_first()` says
/// so, is not called. A plain OS thread calls the function in place. Carried out once.
/// Cancel: cancels the virtual thread and waits for its end. What it returned all the same is the outcome.
template <class F>
class stack_call final : public stack_call_base {
 public:
  using value_type = std::invoke_result_t<F&>;

  explicit stack_call(F f, std::source_location site = std::source_location::current())
      : stack_call_base{site}, function_{std::move(f)} {}
  stack_call(stack_call&& other) : stack_call_base{std::move(other)}, function_{std::move(other.function_)} {}

  [[nodiscard]] bool try_complete() {
    use().check("call", this);
    if constexpr (requires { outcome_ = function_.try_first(); }) {
      outcome_ = function_.try_first();
      return outcome_.has_value();
    } else {
      return false;
    }
  }
  [[nodiscard]] value_type take() {
    spend();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    return std::move(*outcome_);
  }
  [[nodiscard]] value_type fail(errc why) {
    spend();
    return failure(why);
  }
  /// The end of the wait ended the call.
  [[nodiscard]] bool interrupted() const noexcept {
    if (error_) return false;
    return !outcome_ || (!*outcome_ && (outcome_->error() == errc::cancelled || outcome_->error() == errc::timed_out));
  }
  [[nodiscard]] value_type block(time_point) {
    spend();
    return function_();
  }

 private:
  void call() noexcept override {
    try {
      outcome_.emplace(function_());
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  void refuse(std::error_code why) noexcept override { outcome_.emplace(std::unexpected{why}); }

  F function_;
  std::optional<value_type> outcome_;
  std::exception_ptr error_;
};

}  // namespace weft::detail
