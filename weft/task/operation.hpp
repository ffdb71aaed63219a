#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/base/accounting.hpp>
#include <weft/base/check.hpp>
#include <weft/base/error.hpp>
#include <weft/base/result.hpp>
#include <weft/sched/detail/runnable.hpp>
#include <weft/sched/detail/timer.hpp>
#include <weft/task/detail/async_frame.hpp>
#include <weft/task/detail/awaitable.hpp>
#include <weft/task/detail/coroutine_task.hpp>
#include <weft/task/detail/outcome.hpp>
#include <weft/task/detail/task_base.hpp>
#include <weft/task/detail/wait_description.hpp>

namespace weft {

using sched::wait_node;

/// Anything that can wait. One object is one wait at a time; it does not move once armed. Awaited again when that is
/// over, it is another wait for the same, unless it says that it is carried out once.
///
///   try_complete()  tries without waiting. True: the outcome is in the operation.
///   arm(node)       registers the node with whatever will wake it, after trying once more under that object's lock.
///                   True when it claimed the node itself, and then is registered nowhere; finish() says whether it is
///                   complete. False: armed, or decided by others.
///   disarm(node)    after the wait was decided: takes the node out of the object, under its lock, if it still is in it
///   finish()        the wait was claimed for this operation. True when it is complete; false to wait anew
///   take()          the outcome
///   fail(errc)      the outcome of a wait that was cancelled or timed out, or that could not start
///
/// A waker, under its object's lock: `if (node.claim()) deliver;` then, best after the lock, `node.notify()`.
template <class Op>
concept operation = std::move_constructible<Op> && requires(Op& op, wait_node& node, errc condition) {
  typename Op::value_type;
  { Op::kind } -> std::convertible_to<wait_kind>;
  { op.try_complete() } -> std::same_as<bool>;
  { op.arm(node) } -> std::same_as<bool>;
  op.disarm(node);
  { op.finish() } -> std::same_as<bool>;
  { op.take() } -> std::same_as<typename Op::value_type>;
  { op.fail(condition) } -> std::same_as<typename Op::value_type>;
};

namespace detail {

/// A weft::task, which has no need of being an operation.
template <class T>
inline constexpr bool is_coroutine = requires { typename T::promise_type; };

/// An operation that cannot be left at once: its buffers belong to the kernel while it is under way, or it has to take
/// a lock back first. `request_cancel(node, epoch)` is called instead of disarm() when the wait was cancelled or timed
/// out: true when nothing is under way any more, for which it may have claimed the node; otherwise it has, under the
/// lock that the completion takes, given the node that epoch, and the wait goes on, shielded, until the completion
/// notifies it. `interrupted()`: the completion says that the request ended the operation.
template <class Op>
concept left_by_request = requires(Op& op, wait_node& node, std::uint64_t epoch) {
  { op.request_cancel(node, epoch) } -> std::same_as<bool>;
  { op.interrupted() } -> std::same_as<bool>;
};

/// An operation that consists of others of which some cannot be left at once. When it has what it wanted while others
/// are under way, `must_leave()` is true, and they are left as by request; that goes on until request_cancel() says
/// that none is under way. Then interrupted() says whether there is no outcome but the reason to leave.
template <class Op>
concept keeps_losers = left_by_request<Op> && requires(Op& op) {
  { op.must_leave() } -> std::same_as<bool>;
};

/// An operation that a plain OS thread carries out by a call that blocks.
template <class Op>
concept blocks_in_place = requires(Op& op, time_point deadline) {
  { op.block(deadline) } -> std::same_as<typename Op::value_type>;
};

/// An operation that once begun goes on to its end: neither cancelled nor timed out.
template <class Op>
concept uninterruptible = requires { requires Op::runs_to_its_end; };

/// One that begins even in a task that was cancelled before: begin_cancelled() tells it so instead. For those that are
/// left by a request.
template <class Op>
concept always_begins = requires(Op& op) { op.begin_cancelled(); };

/// Of a task that must stop, or whose deadline has passed, it fails and does not begin.
template <class Op>
inline constexpr bool fails_before_it_begins = !uninterruptible<Op> && !always_begins<Op>;

/// An operation during which others hand pieces of the waiter's stack to the kernel: files and calls that block are
/// given its buffers, and children that are joined use its variables.
template <class Op>
inline constexpr bool lends_stack =
    (uninterruptible<Op> && !requires { Op::lends_its_stack; }) || requires { requires Op::lends_its_stack; } ||
    Op::kind == wait_kind::file || Op::kind == wait_kind::compute || Op::kind == wait_kind::blocking ||
    Op::kind == wait_kind::join;

/// Whether an operation may still be carried out. Of most it does not matter: awaited again, they are another wait for
/// the same. One that has something to hand over, a value to send, a function to call, or that notes how far it is, has
/// this as a member, moved with it: it is carried out once. Spent by giving its outcome, and by being moved from.
/// Costs nothing where the operation is a temporary, as in `await(x.async_send(1))`.
class single_use {
 public:
  single_use() = default;
  single_use(single_use&& other) noexcept : spent_{std::exchange(other.spent_, true)} {}

  void spend() noexcept { spent_ = true; }
  /// By try_complete(), which every wait begins with. `object` is what the operation is for, of that `kind`.
  void check(std::string_view kind, const void* object) const {
    WEFT_CHECK(!spent_, "an operation of it is carried out once: make another one to wait again", kind, object);
  }

 private:
  bool spent_ = false;
};

/// Whether arm(), where it registers the wait, takes a spin lock, or executes another atomic read-modify-write.
template <class Op>
inline constexpr auto locks_to_arm =
    requires { requires Op::locks_to_arm; } ? sched::runnable::locked_since::yes : sched::runnable::locked_since::no;

/// Until when a wait for `op` may last: the nearest of the task's deadline and one that the operation has of its own.
template <class Op>
[[nodiscard]] time_point deadline_of(const Op& op, const task_base& self) noexcept {
  if constexpr (requires { op.own_deadline(); }) {
    return op.own_deadline() < self.deadline() ? op.own_deadline() : self.deadline();
  } else {
    return self.deadline();
  }
}

/// What a wait of `self` that ended for `reason`, and not by one of its cases, fails with.
[[nodiscard]] inline errc failure_of(sched::wake_reason reason, const task_base& self) noexcept {
  switch (reason) {
    case sched::wake_reason::cancelled: return self.why_stopped();
    case sched::wake_reason::deadlocked: return errc::deadlock;
    default: return errc::timed_out;
  }
}

/// One wait of one task for one operation: what both forms, await() and co_await, drive.
template <operation Op>
class waiting {
 public:
  explicit waiting(task_base& self) noexcept {
    node_.task = &self;
    if constexpr (lends_stack<Op>) self.keep_stack(true);
  }
  ~waiting() {
    if constexpr (lends_stack<Op>) self().keep_stack(false);
  }
  waiting(const waiting&) = delete;
  waiting& operator=(const waiting&) = delete;

  /// Begins, or goes on after having been notified. True: complete, take() has the outcome. False: park and call again.
  /// `op` is the same each time.
  [[nodiscard]] bool step(Op& op) {
    switch (phase_) {
      case phase::starting: return start(op);
      case phase::parked: return woken(op);
      case phase::draining:
        if constexpr (keeps_losers<Op>) return leave(op);
        return left(op);
    }
    return true;
  }

  [[nodiscard]] task_base& self() const noexcept { return static_cast<task_base&>(*node_.task); }

  /// When the wait that step() began times out, for OS threads, which have no timers.
  [[nodiscard]] time_point limit(const Op& op) const noexcept {
    return may_be_left && phase_ == phase::parked ? deadline_of(op, self()) : no_deadline;
  }

  [[nodiscard]] typename Op::value_type take(Op& op) { return failed_ ? op.fail(failure_) : op.take(); }

 private:
  enum class phase : std::uint8_t { starting, parked, draining };

  static constexpr bool may_be_left = !uninterruptible<Op>;

  bool start(Op& op) {
    auto& task = self();
    if constexpr (fails_before_it_begins<Op>) {
      if (auto until = deadline_of(op, task); until != no_deadline && until <= now()) {
        return fail_and_leave(op, errc::timed_out);
      }
    }
    auto how = !may_be_left        ? sched::cancellable::never
               : task.shields == 0 ? sched::cancellable::yes
                                   : sched::cancellable::no;
    for (;;) {
      if (!task.begin_wait(how)) {
        if constexpr (always_begins<Op>) {
          op.begin_cancelled();
          how = sched::cancellable::no;
          static_cast<void>(task.begin_wait(how));
        } else {
          return fail_and_leave(op, task.why_stopped());
        }
      }
      node_.epoch = task.epoch();
      node_.claimed = false;
      if (!op.arm(node_)) break;
      task.end_wait_claimed();
      if (!op.finish()) continue;
      return completed(op);
    }
    // Every wait that got here goes through notify(), even one that is decided already: nothing is undone by hand.
    if constexpr (may_be_left) {
      if (how == sched::cancellable::yes) task.check_for_cancel(locks_to_arm<Op>);
      if (auto until = deadline_of(op, task); until != no_deadline && task.kind() != task_kind::os_thread) {
        timer_.arm(task, node_.epoch, until);
      }
    }
    task.set_waits_for(Op::kind);
    if (waits_are_tracked()) [[unlikely]]
      note_wait(task, &op, &describe_wait<Op>);
    if (task.account && since_ == time_point{}) since_ = now();
    phase_ = phase::parked;
    return false;
  }

  bool woken(Op& op) {
    if (waits_are_tracked()) [[unlikely]]
      note_wait_over(self());
    if constexpr (may_be_left) timer_.disarm();
    auto reason = self().reason();
    if (reason >= static_cast<std::int32_t>(sched::wake_reason::first_case)) {
      op.disarm(node_);
      if (!op.finish()) {
        phase_ = phase::starting;
        return start(op);
      }
      return completed(op);
    }
    failure_ = failure_of(static_cast<sched::wake_reason>(reason), self());
    if constexpr (left_by_request<Op>) {
      return leave(op);
    } else {
      op.disarm(node_);
      return fail(failure_);
    }
  }

  /// It has happened; of several operations some may be under way still.
  bool completed(Op& op) {
    if constexpr (keeps_losers<Op>) {
      if (op.must_leave()) return leave(op);
    }
    charge();
    return true;
  }

  bool fail_and_leave(Op& op, errc condition) {
    failure_ = condition;
    if constexpr (keeps_losers<Op>) {
      if (op.must_leave()) return leave(op);
    }
    return fail(condition);
  }

  bool leave(Op& op)
    requires left_by_request<Op>
  {
    auto begun = self().begin_wait(sched::cancellable::never);
    WEFT_ASSERT(begun);
    static_cast<void>(begun);
    if (!op.request_cancel(node_, self().epoch())) {
      phase_ = phase::draining;
      return false;
    }
    static_cast<void>(self().claim_own());  // or request_cancel() has
    self().end_wait_claimed();
    return left(op);
  }

  bool left(Op& op) {
    if constexpr (left_by_request<Op>) {
      if constexpr (!keeps_losers<Op>) static_cast<void>(op.finish());
      if (op.interrupted()) return fail(failure_);
    }
    charge();
    return true;
  }

  bool fail(errc condition) noexcept {
    failure_ = condition;
    failed_ = true;
    charge();
    return true;
  }

  void charge() noexcept {
    if (since_ == time_point{}) return;
    if (self().account) self().account->add(Op::kind, now() - since_);
    since_ = time_point{};
  }

  struct no_timer {};

  wait_node node_;
  [[no_unique_address]] std::conditional_t<may_be_left, sched::timer_entry, no_timer> timer_;
  time_point since_{};
  errc failure_{};
  bool failed_ = false;
  phase phase_ = phase::starting;
};

// In line, both: each function between a switch of stacks and the caller is a return that the processor predicts
// wrongly.

/// What has to wait.
template <class Op>
[[nodiscard, gnu::always_inline]] inline typename Op::value_type wait_on_stack(Op& op, task_base& self) {
  if constexpr (blocks_in_place<Op>) {
    if (self.kind() == task_kind::os_thread) {
      if constexpr (Op::kind == wait_kind::compute) {  // in place that is no wait
        about_to_block(Op::kind);
        return op.block(deadline_of(op, self));
      } else {
        blocked_in_place blocked{Op::kind};
        if (!self.account) return op.block(deadline_of(op, self));
        struct charge {
          accounting& account;
          time_point since = now();
          ~charge() { account.add(Op::kind, now() - since); }
        } at_end{*self.account};
        return op.block(deadline_of(op, self));
      }
    }
  }
  waiting<Op> wait{self};
  while (!wait.step(op)) self.park(wait.limit(op));
  return wait.take(op);
}

template <class Op>
[[nodiscard, gnu::always_inline]] inline typename Op::value_type await_on_stack(Op& op, task_base& self) {
  // Before anything else: a task whose operations all fail at once has to let others run as well.
  if (self.must_check_budget()) [[unlikely]] {
    if (self.check_budget() && fails_before_it_begins<Op>) return op.fail(errc::timed_out);
  }
  if (fails_before_it_begins<Op> && self.must_stop()) return op.fail(self.why_stopped());
  if (op.try_complete()) [[likely]]
    return op.take();
  return wait_on_stack(op, self);
}

template <operation Op>
class operation_awaiter final : wait_step {
 public:
  /// `op` lives in the coroutine's frame already, as part of the expression that awaits it.
  explicit operation_awaiter(Op& op) noexcept : op_{op} {}
  ~operation_awaiter() {
    if (how_ == how::waits) {
      wait_.~waiting();
    } else if (how_ == how::threw) {
      error_.~exception_ptr();
    }
  }
  operation_awaiter(const operation_awaiter&) = delete;
  operation_awaiter& operator=(const operation_awaiter&) = delete;

  [[nodiscard]] bool await_ready() {
    auto& self = current_task();
    // A coroutine that runs on a virtual thread's or an OS thread's own stack: that stack waits, in await_resume().
    if (self.kind() != task_kind::coroutine) return true;
    how_ = how::early;
    bool late = false;
    if (self.must_check_budget()) [[unlikely]] {
      gives_way_ = self.turn_is_over();
      late = !gives_way_ && self.check_deadline() && fails_before_it_begins<Op>;
    }
    // Where the deadline has passed, step() says so.
    if (!gives_way_ && !late && is_done_early(self)) return true;
    how_ = how::waits;
    std::construct_at(&wait_, self);
    return false;
  }

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> here) {
    auto& task = static_cast<coroutine_state&>(wait_.self());
    task.suspend(coroutine_link{here}, *this);
    if (gives_way_) [[unlikely]] {
      task.let_others_run();  // may be running elsewhere from here on: touch nothing
      return true;
    }
    while (!wait_.step(op_)) {
      // From a successful commit on the coroutine may run, and end, elsewhere: touch nothing.
      if (task.park_suspended()) return true;
    }
    task.clear_wait();
    return false;
  }

  [[nodiscard]] typename Op::value_type await_resume() {
    switch (how_) {
      case how::waits: return wait_.take(op_);
      case how::early: return op_.take();
      case how::in_place: return await_in_place();
      case how::threw: break;
    }
    std::rethrow_exception(error_);
  }

 private:
  enum class how : std::uint8_t { in_place, early, waits, threw };

  [[nodiscard, gnu::noinline]] typename Op::value_type await_in_place() { return await_on_stack(op_, current_stack()); }

  [[nodiscard]] bool is_done_early(const task_base& self) {
    // Where it must stop, step() says so.
    if (!uninterruptible<Op> && self.must_stop()) return false;
    return op_.try_complete();
  }

  // By the scheduler, so that what an operation throws is kept for the coroutine.
  bool woken() override {
    try {
      if (std::exchange(gives_way_, false)) {
        const bool late = wait_.self().check_deadline() && fails_before_it_begins<Op>;
        if (!late && is_done_early(wait_.self())) {
          leave_wait(how::early);
          return true;
        }
      }
      return wait_.step(op_);
    } catch (...) {
      leave_wait(how::threw);
      std::construct_at(&error_, std::current_exception());
      return true;
    }
  }
  void leave_wait(how next) noexcept {
    wait_.~waiting();
    how_ = next;
  }

  // Nothing but a byte is written for an operation that is complete at once.
  union {
    waiting<Op> wait_;          // how::waits
    std::exception_ptr error_;  // how::threw
  };
  Op& op_;
  how how_ = how::in_place;
  bool gives_way_ = false;
};

/// An awaiter with the operation that it carries out.
template <operation Op>
class owning_awaiter {
 public:
  using awaited_as_it_is = void;
  explicit owning_awaiter(Op op) : op_{std::move(op)} {}

  [[nodiscard]] bool await_ready() { return awaiter_.await_ready(); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> here) {
    return awaiter_.await_suspend(here);
  }
  typename Op::value_type await_resume() { return awaiter_.await_resume(); }

 private:
  Op op_;
  operation_awaiter<Op> awaiter_{op_};
};

}  // namespace detail

/// Carries out `op` where the caller stands: a virtual thread parks, a plain OS thread blocks.
/// Inside a coroutine it blocks the carrier: use co_await there.
template <operation Op>
typename Op::value_type await(Op op) {
  return detail::await_on_stack(op, detail::current_stack());
}

/// What is no operation, nor another library's awaitable: says so.
template <class Other>
  requires(!operation<std::remove_cvref_t<Other>> && !detail::is_coroutine<std::remove_cvref_t<Other>> &&
           (!detail::awaitable<Other> || requires { typename std::remove_cvref_t<Other>::awaited_as_it_is; }))
auto await(Other&& given) {
  if constexpr (detail::outcome_of_call<std::remove_cvref_t<Other>>) {
    static_assert(detail::never<Other>,
                  "weft::await takes an operation, x.async_f(): the plain form, x.f(), has waited already, so use its "
                  "value as it is");
  } else {
    static_assert(detail::never<Other>, "weft::await takes an operation, x.async_f(), or a weft::task");
  }
  return std::forward<Other>(given);
}

namespace detail {

/// Carries out `op`, though neither the caller's cancel nor its deadline ends the wait.
/// Throws deadlock_error when it was part of a deadlock, and the runtime ends those; `what` says what was waited for.
template <operation Op>
void wait_uncancelled(Op op, const char* what) {
  auto& self = current_stack();
  struct restore {
    task_base& task;
    time_point deadline;
    ~restore() {
      --task.shields;
      task.resume_deadline(deadline);
    }
  } at_end{self, self.suspend_deadline()};
  ++self.shields;
  if (!await_on_stack(op, self)) throw deadlock_error{what};
}

/// An operation that nothing ends but its happening.
template <operation Op>
class uninterrupted : public Op {
 public:
  static constexpr bool runs_to_its_end = true;
  explicit uninterrupted(Op&& op) : Op{std::move(op)} {}
};

/// Carries out `op`, which cannot fail by itself, whatever happens: not even a deadlock ends the wait.
template <operation Op>
void wait_to_the_end(Op op) {
  static_cast<void>(await(uninterrupted<Op>{std::move(op)}));
}

/// Carries out `op` unless it takes longer than `patience`. Neither the caller's cancel nor its deadline ends the wait.
template <operation Op>
void wait_to_the_end_for(Op op, duration patience) {
  auto& self = current_stack();
  struct restore {
    task_base& task;
    time_point deadline;
    ~restore() {
      --task.shields;
      task.set_deadline(deadline);
    }
  } at_end{self, self.deadline()};
  ++self.shields;
  self.set_deadline(deadline_after(patience));
  static_cast<void>(await_on_stack(op, self));
}

}  // namespace detail

/// Carries out `op` in a coroutine, which is suspended meanwhile. One that has a name is awaited as it is: again and
/// again, unless it is carried out once.
/// Lifetime: what it returns is awaited in the same expression.
template <class Op>
  requires operation<std::remove_reference_t<Op>>
[[nodiscard]] auto operator co_await(Op&& op) {
  return detail::operation_awaiter<std::remove_reference_t<Op>>{op};
}

namespace detail {
template <class T>
  requires operation<std::remove_reference_t<T>>
inline constexpr bool awaited_operation<T> = true;

using weft::operator co_await;  // found for the operations that live here, from wherever they are awaited
}  // namespace detail

}  // namespace weft
