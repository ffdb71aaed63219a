#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/result.hpp>
#include <weft/task/detail/outcome.hpp>
#include <weft/task/operation.hpp>
#include <weft/task/sleep.hpp>

// An operation that cannot be left at once, as one of several.
//
// Several operations are waited for in waits that come and go: each time one has happened, the others are left, and
// begun anew. What the kernel, a worker or a computation does for an operation that is under way cannot be left like
// that. So such an operation is begun once, and waits on behalf of a proxy task, a task of its own that never runs:
//
//   not begun   --begin()--------------> under way   the proxy task begins a wait that nothing ends but the operation
//   under way   --proxy made ready-----> has ended   by whoever notifies it; ends the wait of the task that waits for
//                                                    it now, if any does
//   has ended   --poll()---------------> complete, or, where the operation wants to wait anew, not begun
//   under way   --ask_to_end()---------> under way   in another wait of the proxy task, see left_by_request
//   has ended   --poll()---------------> complete, or withdrawn: it ended because it was asked to
//
// One with a deadline of its own has a timer as a second case of the wait that listens to it. When that is due, it is
// asked to end; withdrawn then is an outcome, errc::timed_out.
//
// Who waits for several, and has what it wanted, asks the others to end and waits until they have: see waiting.

namespace weft::detail {

/// The task that a pinned operation waits as.
/// Thread: the owner, but for make_ready().
class proxy_task final : public task_base {
 public:
  explicit proxy_task(task_base& owner) noexcept
      : task_base{task_kind::proxy, owner.home(), owner.site()}, owner_{owner} {
    account = owner.account;
    set_deadline(owner.deadline());
  }

  [[nodiscard]] task_base& owner() const noexcept { return owner_; }

  /// The operation has ended: tells whoever waits for it.
  void make_ready() noexcept override {
    sched::wait_node* listening = nullptr;
    {
      std::lock_guard guard{lock_};
      has_ended_ = true;
      if (listener_ && listener_->claim()) listening = listener_;
      listener_ = nullptr;
    }
    // Without a claim the owner may be gone; with it, it waits for this.
    if (listening) listening->notify();
  }

  /// True when the operation has ended; otherwise `node` will be told.
  [[nodiscard]] bool listen(sched::wait_node& node) noexcept {
    std::lock_guard guard{lock_};
    if (!has_ended_) listener_ = &node;
    return has_ended_;
  }
  /// Another wait, after the present one was ended.
  void begin_anew() noexcept {
    has_ended_ = false;  // nobody knows of it
    static_cast<void>(begin_wait(sched::cancellable::never));
  }
  void stop_listening() noexcept {
    std::lock_guard guard{lock_};
    listener_ = nullptr;
  }
  [[nodiscard]] bool has_ended() noexcept {
    std::lock_guard guard{lock_};
    return has_ended_;
  }

  void resume(sched::carrier&) noexcept override { std::terminate(); }  // never scheduled
  void park(time_point) noexcept override { std::terminate(); }
  void yield() noexcept override {}
  [[nodiscard]] const std::exception_ptr& thrown() const noexcept override { return nothing_; }

 private:
  void destroy() noexcept override {}

  task_base& owner_;
  base::spin_lock lock_;  // guards the following two
  sched::wait_node* listener_ = nullptr;
  bool has_ended_ = false;
  std::exception_ptr nothing_;
};

/// The task that waits, when `task` is one that waits on behalf of it.
[[nodiscard]] inline task_base& represented_task(task_base& task) noexcept {
  auto* found = &task;
  while (found->kind() == task_kind::proxy) found = &static_cast<proxy_task*>(found)->owner();
  return *found;
}

/// An operation that has to be kept when another one happens.
template <class Op>
concept must_be_pinned = left_by_request<std::remove_reference_t<Op>> || uninterruptible<std::remove_reference_t<Op>>;

/// Such an operation as a case, held or, given as an lvalue, referred to. One whose value cannot say that it failed
/// gives a result of it here: the wait may be cancelled before it begins.
template <class Op>
class pinned_operation {
  using operation_type = std::remove_reference_t<Op>;
  using given = typename operation_type::value_type;
  static constexpr bool runs_to_its_end = uninterruptible<operation_type>;
  static constexpr bool has_own_deadline =
      left_by_request<operation_type> && requires(const operation_type& op) { op.own_deadline(); };
  static constexpr bool gives_result = std::constructible_from<given, std::unexpected<std::error_code>>;

 public:
  using value_type = std::conditional_t<gives_result, given, result<given>>;
  static constexpr wait_kind kind = operation_type::kind;

  explicit pinned_operation(Op&& op) : op_{std::forward<Op>(op)} {}
  /// Before it begins.
  pinned_operation(pinned_operation&& other) : op_{std::forward<Op>(other.op_)} {}
  ~pinned_operation() { WEFT_CHECK(!is_under_way(), "what is under way is not dropped", "operation", this); }

  bool try_complete() {
    if (phase_ == phase::fresh) phase_ = op_.try_complete() ? phase::complete : phase::not_begun;
    return poll();
  }
  bool arm(wait_node& node) {
    if (phase_ == phase::not_begun) begin(static_cast<task_base&>(*node.task));
    if constexpr (has_own_deadline) prepare_timer(node);
    if (phase_ == phase::complete || as_->listen(node)) return node.claim();
    if constexpr (has_own_deadline) return arm_timer(node);
    return false;
  }
  void disarm(wait_node& node) {
    if constexpr (has_own_deadline) disarm_timer(node);
    if (as_) as_->stop_listening();
  }
  bool finish() { return poll(); }

  [[nodiscard]] std::size_t case_count() const noexcept
    requires(has_own_deadline)
  {
    return 2;
  }

  value_type take() {
    if (phase_ == phase::withdrawn) return fail(errc::timed_out);
    if constexpr (std::is_void_v<given>) {
      in_place_ ? in_place_->take() : op_.take();
      return {};
    } else {
      return in_place_ ? in_place_->take() : op_.take();
    }
  }
  value_type fail(errc condition) {
    if constexpr (runs_to_its_end || always_begins<operation_type> || !gives_result) {
      return failure(condition);
    } else {
      return op_.fail(condition);
    }
  }
  void describe(wait_description& into) const { describe_operation(op_, into); }

  [[nodiscard]] bool is_under_way() const noexcept { return phase_ == phase::under_way; }
  /// It has an outcome of its own.
  [[nodiscard]] bool has_happened() const noexcept {
    return phase_ == phase::complete || (phase_ == phase::withdrawn && own_.expired);
  }

  /// Asks it to end, where that is possible.
  void ask_to_end(const task_base& owner) {
    if (phase_ != phase::under_way || std::exchange(asked_, true)) return;
    if constexpr (may_be_left) {
      if (leaving_ || !as_->claim_own()) return;  // ended, and tells of it in a moment
      as_->end_wait_claimed();
      if (owner.cancel_was_requested()) as_->request_cancel();  // the operation may want to know why
      begin_leaving();
    }
  }
  /// After that: true when nothing is under way any more, otherwise `node` will be told.
  [[nodiscard]] bool has_let_go(wait_node& node) {
    static_cast<void>(poll());
    while (is_under_way()) {
      if (!as_->listen(node)) return false;
      static_cast<void>(poll());
    }
    return true;
  }
  /// It has let go, and nobody wants its outcome.
  void lose() noexcept {
    if constexpr (requires { op_.lost(); }) op_.lost();
  }

 private:
  // withdrawn: ended without an outcome, since it was asked to
  enum class phase : std::uint8_t { fresh, not_begun, under_way, complete, withdrawn };

  static constexpr bool may_be_left = left_by_request<operation_type> && !runs_to_its_end;

  /// Before `node` can be claimed.
  void prepare_timer(const wait_node& node) noexcept {
    own_.node.task = node.task;
    own_.node.epoch = node.epoch;
    own_.node.case_index = node.case_index + 1;
  }
  /// It is under way, and `node` listens to it. True as that of arm().
  bool arm_timer(wait_node& node) {
    if (own_.expired || op_.own_deadline() == no_deadline) return false;
    own_.timer.emplace(op_.own_deadline());
    if (own_.timer->try_complete()) {
      expire(static_cast<const task_base&>(*node.task));
      return (!is_under_way() || as_->listen(node)) && node.claim();
    }
    return own_.timer->arm(own_.node);
  }
  void disarm_timer(wait_node& node) {
    if (!own_.timer) return;
    own_.timer->disarm(own_.node);
    own_.timer.reset();
    if (own_.node.ended_the_wait()) expire(static_cast<const task_base&>(*node.task));
  }
  void expire(const task_base& owner) {
    own_.expired = true;
    ask_to_end(owner);
  }

  void begin(task_base& owner) {
    if constexpr (blocks_in_place<operation_type>) {
      if (owner.home() == nullptr) {
        in_place_.emplace().run([this] { return op_.block(no_deadline); });
        phase_ = phase::complete;
        return;
      }
    }
    for (;;) {
      as_.emplace(owner);
      static_cast<void>(as_->begin_wait(sched::cancellable::never));
      node_.task = &*as_;
      node_.epoch = as_->epoch();
      node_.claimed = false;
      if (!op_.arm(node_)) break;
      as_->end_wait_claimed();
      if (op_.finish()) return completed();
    }
    phase_ = phase::under_way;
    if (!as_->commit_park()) as_->make_ready();  // it has ended
  }

  void completed() {
    phase_ = phase::complete;
    if constexpr (keeps_losers<operation_type>) {
      if (op_.must_leave()) begin_leaving();
    }
  }

  void begin_leaving() {
    phase_ = phase::under_way;
    leaving_ = true;
    as_->begin_anew();
    if (op_.request_cancel(node_, as_->epoch())) {
      static_cast<void>(as_->claim_own());  // or request_cancel() has
      as_->end_wait_claimed();
      left();
    } else if (!as_->commit_park()) {
      as_->make_ready();
    }
  }
  void left() { phase_ = op_.interrupted() ? phase::withdrawn : phase::complete; }

  /// The proxy task's wait is over.
  void settle() {
    if constexpr (may_be_left) {
      if (leaving_) {
        if constexpr (keeps_losers<operation_type>) return begin_leaving();
        static_cast<void>(op_.finish());
        return left();
      }
    }
    op_.disarm(node_);
    if (op_.finish()) return completed();
    phase_ = asked_ ? phase::withdrawn : phase::not_begun;
  }

  /// Whether it has happened.
  [[nodiscard]] bool poll() {
    while (phase_ == phase::under_way && as_->has_ended()) settle();
    return has_happened();
  }

  struct own_timer {
    wait_node node;
    std::optional<sleep_operation> timer;  // armed
    bool expired = false;
  };
  struct no_timer {
    static constexpr bool expired = false;
  };

  Op op_;
  phase phase_ = phase::fresh;
  bool asked_ = false;    // to end
  bool leaving_ = false;  // by request
  wait_node node_;
  std::optional<proxy_task> as_;
  std::optional<outcome<given>> in_place_;  // on an OS thread
  [[no_unique_address]] std::conditional_t<has_own_deadline, own_timer, no_timer> own_;
};

/// How an operation is held as one of several.
template <class Op>
struct case_for {
  using type = Op;
};
template <must_be_pinned Op>
struct case_for<Op> {
  using type = pinned_operation<Op>;
};
template <class Op>
using case_of = typename case_for<Op>::type;

}  // namespace weft::detail
