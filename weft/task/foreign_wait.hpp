#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/task/detail/async_frame.hpp>
#include <weft/task/detail/coroutine_task.hpp>
#include <weft/task/detail/transfer.hpp>
#include <weft/task/operation.hpp>

// Awaitables of other libraries. They take the handle of the coroutine that waits and resume it later, from any OS
// thread. A coroutine of weft's belongs to a carrier, or runs on a stack that waits in place, and must not go on there.
// So the awaitable gets the handle of another coroutine, the bridge. Resumed by the task itself, the bridge goes on
// with the one that waits; resumed from elsewhere, it hands the task to its scheduler, or wakes the stack.

namespace weft::detail {

/// What `co_await` makes of `awaited`, before it is asked whether it is ready.
template <class Awaitable>
decltype(auto) awaiter_of(Awaitable&& awaited) {
  if constexpr (requires { std::forward<Awaitable>(awaited).operator co_await(); }) {
    return std::forward<Awaitable>(awaited).operator co_await();
  } else if constexpr (requires { operator co_await(std::forward<Awaitable>(awaited)); }) {
    return operator co_await(std::forward<Awaitable>(awaited));
  } else {
    return std::forward<Awaitable>(awaited);
  }
}

template <class Awaitable>
using awaiter_of_t = std::remove_reference_t<decltype(awaiter_of(std::declval<Awaitable>()))>;

/// An operation, or what says of itself that weft awaits it as it is.
template <class Awaitable>
concept own_awaitable = operation<std::remove_cvref_t<Awaitable>> ||
                        requires { typename std::remove_cvref_t<Awaitable>::awaited_as_it_is; };

template <class Awaitable>
concept foreign_awaitable =
    !own_awaitable<Awaitable> && requires(awaiter_of_t<Awaitable>& awaiter, std::coroutine_handle<> waiter) {
      { awaiter.await_ready() } -> std::convertible_to<bool>;
      awaiter.await_suspend(waiter);
      awaiter.await_resume();
    };

/// Where a bridge leads: told, once, that another library has resumed it.
class bridge_end {
 public:
  /// The coroutine to go on with on the calling thread. The bridge is gone.
  [[nodiscard]] virtual std::coroutine_handle<> resumed() noexcept = 0;

 protected:
  ~bridge_end() = default;
};

/// The coroutine that another library resumes.
class bridge {
 public:
  class promise_type;

  /// Lifetime: `end` until it was told, or the bridge was dropped.
  [[nodiscard]] static bridge to(bridge_end& end);

  [[nodiscard]] std::coroutine_handle<> handle() const noexcept { return coroutine_; }
  /// Nobody will resume it.
  void drop() const noexcept { coroutine_.destroy(); }

 private:
  explicit bridge(std::coroutine_handle<> coroutine) noexcept : coroutine_{coroutine} {}

  std::coroutine_handle<> coroutine_;
};

/// Has `awaiter` wait on behalf of whoever `end` wakes. Returns what to resume then on the calling thread, or null
/// where it does not suspend. Unless that is null, the awaiter may be gone on return.
template <class Awaiter>
[[nodiscard]] std::coroutine_handle<> suspend_on(Awaiter& awaiter, bridge_end& end) {
  const auto waiter = bridge::to(end);
  using answer = decltype(awaiter.await_suspend(waiter.handle()));
  try {
    if constexpr (std::is_void_v<answer>) {
      awaiter.await_suspend(waiter.handle());
    } else if constexpr (std::same_as<answer, bool>) {
      if (!awaiter.await_suspend(waiter.handle())) {
        waiter.drop();
        return {};
      }
    } else {
      return awaiter.await_suspend(waiter.handle());
    }
  } catch (...) {
    waiter.drop();
    throw;
  }
  return std::noop_coroutine();
}

/// For a stack that waits in place.
class stack_bridge_end final : bridge_end {
 public:
  template <class Awaiter>
  void suspend(Awaiter& awaiter) {
    auto next = suspend_on(awaiter, *this);
    if (!next) return;
    run_in_place(next);
    wait();
  }

 private:
  class operation;
  void wait() noexcept;
  [[nodiscard]] std::coroutine_handle<> resumed() noexcept override;

  base::spin_lock lock_;  // guards all below; whoever has set was_resumed_ touches nothing after it
  bool was_resumed_ = false;
  wait_node* waiter_ = nullptr;
};

/// A wait for another library's awaitable. It ends when that library ends it: it is neither cancelled nor timed out.
/// Allocates where the awaitable suspends.
/// Lifetime: awaited in the expression that makes it.
template <class Awaitable>
class foreign_awaiter final : bridge_end {
  using made = decltype(awaiter_of(std::declval<Awaitable>()));
  using awaiter = awaiter_of_t<Awaitable>;

 public:
  using awaited_as_it_is = void;
  using value = decltype(std::declval<awaiter&>().await_resume());

  explicit foreign_awaiter(Awaitable&& awaited) : awaiter_{awaiter_of(std::forward<Awaitable>(awaited))} {}
  foreign_awaiter(const foreign_awaiter&) = delete;
  foreign_awaiter& operator=(const foreign_awaiter&) = delete;

  [[nodiscard]] bool await_ready() {
    auto& self = current_task();
    if (self.kind() == task_kind::coroutine) {
      task_ = static_cast<coroutine_state*>(&self);
      return static_cast<bool>(awaiter_.await_ready());
    }
    return true;  // a stack waits, in await_resume()
  }

  template <class Promise>
  [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> here) {
    caller_ = coroutine_link{here};
    auto next = suspend_on(awaiter_, *this);  // unless it is null, this may be gone
    return next ? next : std::coroutine_handle<>{here};
  }

  value await_resume() {
    if (!task_ && !awaiter_.await_ready()) {
      stack_bridge_end end;
      end.suspend(awaiter_);
    }
    return awaiter_.await_resume();
  }

 private:
  [[nodiscard]] std::coroutine_handle<> resumed() noexcept override { return task_->call_back(caller_); }

  made awaiter_;  // a reference where the awaitable is its own awaiter
  coroutine_state* task_ = nullptr;
  coroutine_link caller_;
};

template <class Awaitable>
struct awaited_by_weft {
  static decltype(auto) transform(Awaitable&& awaited) {
    if constexpr (foreign_awaitable<Awaitable>) {
      return foreign_awaiter<Awaitable>{std::forward<Awaitable>(awaited)};
    } else if constexpr (!awaitable_by_itself<Awaitable>) {
      return weft::operator co_await(std::forward<Awaitable>(awaited));
    } else {
      return std::forward<Awaitable>(awaited);
    }
  }
};

}  // namespace weft::detail

namespace weft {

/// Waits in place for another library's awaitable, and gives what `co_await` would. For virtual threads and plain OS
/// threads; a coroutine uses co_await.
/// Parks.
/// Cancel: neither a cancel nor a deadline ends it.
template <class Awaitable>
  requires detail::foreign_awaitable<Awaitable>
decltype(auto) await(Awaitable&& awaited) {
  WEFT_CHECK(detail::current_task().kind() != detail::task_kind::coroutine, "inside a coroutine, use co_await");
  detail::foreign_awaiter<Awaitable> waiter{std::forward<Awaitable>(awaited)};
  static_cast<void>(waiter.await_ready());
  return waiter.await_resume();
}

}  // namespace weft
