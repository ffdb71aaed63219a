#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/detail/blocking_pool.hpp>
#include <weft/task/detail/host.hpp>
#include <weft/task/detail/outcome.hpp>
#include <weft/task/operation.hpp>

namespace weft::detail {

/// Runs a callable on a worker pool; the waiter goes on when it is done. It is neither cancelled nor timed out, not
/// even before the callable is called, since that uses the waiter's variables. The callable lives in the operation:
/// nothing is allocated.
template <class F>
class blocking_operation final : blocking_job {
 public:
  using value_type = std::invoke_result_t<F&>;
  static constexpr wait_kind kind = wait_kind::blocking;
  static constexpr bool runs_to_its_end = true;

  explicit blocking_operation(F f) noexcept : function_{std::move(f)} {}
  blocking_operation(blocking_operation&& other) noexcept
      : function_{std::move(other.function_)}, use_{std::move(other.use_)} {}
  blocking_operation& operator=(blocking_operation&&) = delete;

  bool try_complete() noexcept {
    use_.check("blocking call", this);
    use_.spend();
    return false;
  }

  bool arm(wait_node& node) {
    node_ = &node;
    const auto& waiter = static_cast<const task_base&>(*node.task);
    home_ = waiter.home_host();
    deadline_ = waiter.deadline();
    WEFT_CHECK(home_ != nullptr, "a coroutine can be moved to a worker only where weft::run() runs");
    home_->external_work_started();
    home_->blocking_pool().submit(*this);  // may be over already: the node says so
    return false;
  }

  void disarm(wait_node&) noexcept {}
  bool finish() const noexcept { return true; }
  value_type take() { return outcome_.take(); }
  static value_type fail(errc) { std::terminate(); }  // never called: runs_to_its_end

  /// A plain OS thread runs it in place.
  value_type block(time_point) { return function_(); }

 private:
  void run() noexcept override {
    auto* home = home_;
    {
      deadline_scope inherited{deadline_};
      outcome_.run(function_);
    }
    auto claimed = node_->claim();
    WEFT_ASSERT(claimed);
    static_cast<void>(claimed);
    // Before the notification, after which the runtime may end; the waiter is about to be made ready, so that a
    // virtual clock is held up by a runnable task instead.
    node_->notify();
    home->external_work_ended();
  }

  F function_;
  single_use use_;
  outcome<value_type> outcome_;
  wait_node* node_ = nullptr;
  host* home_ = nullptr;
  time_point deadline_ = no_deadline;
};

}  // namespace weft::detail

namespace weft {

/// blocking(f) as an operation.
template <class F>
[[nodiscard]] auto async_blocking(F f) {
  return detail::blocking_operation<F>{std::move(f)};
}

/// Runs `f`, a call that blocks in the kernel, on a thread kept for that, and returns what it returns or throws what it
/// throws. A plain OS thread runs `f` in place.
/// Parks.
/// Cancel: `f` is called and runs to its end; the waits of weft's in it end with the caller's deadline.
template <class F>
std::invoke_result_t<F&> blocking(F f) {
  return await(async_blocking(std::move(f)));
}

}  // namespace weft
