#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weft/base/result.hpp>
#include <weft/compute/detail/computation.hpp>
#include <weft/compute/detail/compute_placement.hpp>

namespace weft {

namespace detail {

/// Calls `f`, which runs on another OS thread than its caller did. Never inlined, so that nothing that a compiler knows
/// of the caller's thread is taken for true in `f`.
template <class F>
[[gnu::noinline]] std::invoke_result_t<F&> call_apart(F& f) {
  asm volatile("");
  return std::invoke(f);
}

/// A virtual thread's wait for its turn on a compute carrier, which then goes on with that virtual thread.
class compute_admission : compute_job {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::compute;

  compute_admission() = default;
  compute_admission(compute_admission&&) noexcept : compute_job{} {}  // before it is armed only

  [[nodiscard]] bool try_complete() const noexcept { return false; }
  void disarm(wait_node& node) noexcept;
  [[nodiscard]] bool finish() const noexcept { return true; }
  [[nodiscard]] value_type take() const {
    if (refusal_ != errc{}) return failure(refusal_);
    return {};
  }
  static value_type fail(errc why) { return failure(why); }

  /// After the wait. False: the system gave no thread, and the task computes where it is.
  [[nodiscard]] bool has_carrier() const noexcept { return has_carrier_; }

 protected:
  [[nodiscard]] bool enter(wait_node& node, compute_pool::entry how) noexcept;

 private:
  [[nodiscard]] beginning begin(virtual_thread*& task) noexcept final;
  void run(compute_carrier&) noexcept final { std::terminate(); }  // never called: it does not begin `here`

  wait_node* node_ = nullptr;
  errc refusal_{};
  bool has_carrier_ = true;
};

/// A turn that comes in any case; or one that is given up when the task is cancelled, its deadline passes, or the queue
/// is full.
template <compute_pool::entry How>
class compute_admission_operation final : public compute_admission {
 public:
  static constexpr bool runs_to_its_end = How == compute_pool::entry::in_order;
  [[nodiscard]] bool arm(wait_node& node) noexcept { return enter(node, How); }
};

/// While it lives, a virtual thread whose turn it is computes. Afterwards it is back on a seat, and what it cost goes
/// to its call site. Nested ones stay where they are.
class compute_timer {
 public:
  compute_timer(virtual_thread& self, const std::source_location& site, bool has_carrier) noexcept;
  ~compute_timer();
  compute_timer(const compute_timer&) = delete;
  compute_timer& operator=(const compute_timer&) = delete;

 private:
  [[nodiscard]] std::chrono::nanoseconds clock() const noexcept;

  virtual_thread& self_;
  const std::source_location& site_;
  compute_placement* const outer_;
  std::optional<compute_placement> own_;
  std::chrono::nanoseconds began_{};
};

/// compute(f) on a virtual thread, with its turn.
template <compute_pool::entry How, class F>
result<std::invoke_result_t<F&>> compute_on(virtual_thread& self, F& f, const std::source_location& site) {
  compute_admission_operation<How> admission;
  if (!self.own_queue()) {
    if (auto came = await_on_stack(admission, self); !came) return std::unexpected{came.error()};
  }
  compute_timer timer{self, site, admission.has_carrier()};
  if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
    call_apart(f);
    return {};
  } else {
    return call_apart(f);
  }
}

/// compute(f) for tasks that have no stack: runs a callable on a virtual thread of its own, which compute carriers run
/// from its beginning to its end. It has the waiter's deadline and task_local values, and is cancelled with it. Where
/// there is no stack to be had, or no carrier, the callable runs in place.
class compute_call : public computation {
 public:
  void describe(wait_description& into) const;
  [[nodiscard]] bool finish() noexcept;
  [[nodiscard]] bool interrupted() const noexcept { return withdrawn_; }

 protected:
  explicit compute_call(std::source_location site) : site_{site} {}
  compute_call(compute_call&& other) noexcept : computation{std::move(other)}, site_{other.site_} {}
  ~compute_call() = default;

  /// Whether a request to leave ends the wait before the computation has begun.
  enum class unbegun : bool { begins, is_left };
  [[nodiscard]] bool request_cancel(wait_node& node, std::uint64_t epoch, unbegun what) noexcept;
  void cancel_when_it_begins() noexcept { is_cancelled_ = true; }

  /// On the calling thread's stack.
  void run_here(compute_carrier& on) noexcept;

 private:
  void run(compute_carrier& on) noexcept final;
  [[nodiscard]] virtual_thread* make_task() noexcept;
  void run_as(virtual_thread& self) noexcept;
  virtual void call() noexcept = 0;

  std::source_location site_;
  accounting waits_;                // the task's own
  virtual_thread* task_ = nullptr;  // under lock_, from its beginning until it told the waiter
  bool is_cancelled_ = false;       // under lock_
  bool withdrawn_ = false;
  std::chrono::nanoseconds took_{};
};

template <class F>
class compute_call_of : public compute_call {
 public:
  using returned = std::invoke_result_t<F&>;
  compute_call_of(F f, std::source_location site) : compute_call{site}, function_{std::move(f)} {}
  compute_call_of(compute_call_of&& other) noexcept
      : compute_call{std::move(other)}, function_{std::move(other.function_)} {}

 protected:
  ~compute_call_of() = default;
  returned take_outcome() { return outcome_.take(); }
  returned take_in_place() {
    run_here(compute_carrier::here());
    return take_outcome();
  }

 private:
  void call() noexcept final {
    outcome_.run([this]() -> returned { return call_apart(function_); });
  }

  F function_;
  outcome<returned> outcome_;
};

/// compute(f): always begins, and goes on to its end.
template <class F>
class compute_operation final : public compute_call_of<F> {
 public:
  using value_type = std::invoke_result_t<F&>;
  using compute_call_of<F>::compute_call_of;

  void begin_cancelled() noexcept { this->cancel_when_it_begins(); }
  [[nodiscard]] bool request_cancel(wait_node& node, std::uint64_t epoch) noexcept {
    return compute_call::request_cancel(node, epoch, compute_call::unbegun::begins);
  }

  value_type take() { return this->take_outcome(); }
  static value_type fail(errc) { std::terminate(); }  // never called: it always begins
  value_type block(time_point) { return this->take_in_place(); }
};

/// try_compute(f): can be left as long as it has not begun.
template <class F>
class try_compute_operation final : public compute_call_of<F> {
 public:
  using value_type = result<std::invoke_result_t<F&>>;
  using compute_call_of<F>::compute_call_of;

  [[nodiscard]] bool arm(wait_node& node) noexcept { return this->enter(node, compute_pool::entry::in_order_if_room); }
  [[nodiscard]] bool request_cancel(wait_node& node, std::uint64_t epoch) noexcept {
    return compute_call::request_cancel(node, epoch, compute_call::unbegun::is_left);
  }

  value_type take() {
    if (auto why = this->refused_with(); why != errc{}) return failure(why);
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      this->take_outcome();
      return {};
    } else {
      return this->take_outcome();
    }
  }
  static value_type fail(errc why) { return failure(why); }
  value_type block(time_point) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      this->take_in_place();
      return {};
    } else {
      return this->take_in_place();
    }
  }
};

/// Whether `self` goes to a compute carrier with its stack; otherwise `f` runs on one of its own there.
[[nodiscard]] inline bool moves_to_compute(const task_base& self) noexcept {
  return self.kind() == task_kind::virtual_thread && !self.stays_on_thread();
}

}  // namespace detail

/// compute(f) as an operation, for coroutines: `f` runs on a virtual thread of its own, a pooled stack.
template <class F>
[[nodiscard]] auto async_compute(F f, std::source_location site = std::source_location::current()) {
  return detail::compute_operation<F>{std::move(f), site};
}

/// Runs `f`, which is CPU-bound, on a compute carrier, and returns what it returns or throws what it throws. The seat
/// serves others meanwhile: as many callers as there are may wait for their turn, each in its own frame, and that is
/// the only queue.
///
/// `f` is part of the calling task: it runs on the virtual thread's own stack, has its task_local values, its deadline,
/// its accounting, and is cancelled with it. When `f` waits, for a socket, a lock, a sleep, another task, it parks like
/// any other task, and its carrier goes on with other computations; woken, it goes on on a compute carrier before those
/// that have not begun. Such waits fail when the caller is cancelled or its deadline passes; `f` itself goes on, and
/// may ask cancelled(). compute() inside `f` runs in place. fork_join() and the algorithms park, and are begun first.
///
/// Of a task that stays on its thread (spawn_options::stays_on_thread), as of a coroutine, `f` runs on a virtual thread
/// of its own instead.
///
/// A plain OS thread, fork-join code on a compute carrier included, runs `f` in place. What the calls of one place
/// cost, waits not included, runtime::compute_sites() says.
/// Parks.
/// Cancel: `f` begins and goes on to its end; see try_compute().
/// Order: first come, first served, behind what computations that have begun do and have forked.
template <class F>
std::invoke_result_t<F&> compute(F f, std::source_location site = std::source_location::current()) {
  using detail::compute_pool;
  auto& self = detail::current_stack();
  if (!detail::moves_to_compute(self)) return await(async_compute(std::move(f), site));
  // It has a value: the turn comes.
  auto& thread = static_cast<detail::virtual_thread&>(self);
  if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
    static_cast<void>(detail::compute_on<compute_pool::entry::in_order>(thread, f, site));
  } else {
    return *detail::compute_on<compute_pool::entry::in_order>(thread, f, site);
  }
}

/// try_compute(f) as an operation, for coroutines.
template <class F>
[[nodiscard]] auto async_try_compute(F f, std::source_location site = std::source_location::current()) {
  return detail::try_compute_operation<F>{std::move(f), site};
}

/// compute(f) for a caller that does not wait for its turn at any price. When it is cancelled or its deadline passes
/// before `f` has begun, fails and `f` never runs; with errc::overloaded, at once, when run_options::compute_queue
/// others wait already. Once begun it runs to its end.
/// Parks.
template <class F>
[[nodiscard]] result<std::invoke_result_t<F&>> try_compute(
    F f, std::source_location site = std::source_location::current()) {
  auto& self = detail::current_stack();
  if (!detail::moves_to_compute(self)) return await(async_try_compute(std::move(f), site));
  return detail::compute_on<detail::compute_pool::entry::in_order_if_room>(static_cast<detail::virtual_thread&>(self),
                                                                           f, site);
}

}  // namespace weft
