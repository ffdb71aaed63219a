#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <weft/base/clock.hpp>
#include <weft/combine/detail/select_machine.hpp>
#include <weft/combine/detail/wrapped_operation.hpp>
#include <weft/task/operation.hpp>
#include <weft/task/sleep.hpp>

namespace weft {

/// An operation that fails with errc::timed_out unless it happens before a deadline of its own: the timer is one more
/// case of its wait.
template <operation Op>
class with_deadline_operation : public detail::wrapped<Op> {
  static_assert(
      !detail::uninterruptible<Op>,
      "an operation that runs to its end cannot time out: give what it does a limit of its own; try_compute() "
      "can while it waits for its turn");

 public:
  with_deadline_operation(Op&& op, time_point until)
      : detail::wrapped<Op>{std::move(op)}, timer_{until}, until_{until} {}
  with_deadline_operation(with_deadline_operation&& other)
      : with_deadline_operation{std::move(other.op_), other.until_} {}

  [[nodiscard]] std::size_t case_count() const noexcept { return detail::cases_of(this->op_) + 1; }

  bool arm(wait_node& outer) {
    expired_ = false;
    detail::begin_case(timer_node_, outer, case_count() - 1);  // `outer` is read before it can be claimed
    if (this->op_.arm(outer)) return true;
    if (until_ == no_deadline) return false;
    if (timer_.try_complete()) {
      if (!outer.task->claim(outer.epoch)) return false;
      this->op_.disarm(outer);
      return expired_ = true;
    }
    return timer_.arm(timer_node_);
  }
  void disarm(wait_node& outer) {
    timer_node_.task = outer.task;
    timer_.disarm(timer_node_);
    this->op_.disarm(outer);
    expired_ = detail::ended_by(outer, case_count()) == case_count() - 1;
  }
  void describe(detail::wait_description& into) const {
    detail::describe_operation(this->op_, into);
    if (until_ != no_deadline) into.add(wait_kind::timer);
  }
  bool finish() { return expired_ || this->op_.finish(); }
  [[nodiscard]] typename Op::value_type take() { return expired_ ? this->op_.fail(errc::timed_out) : this->op_.take(); }

 private:
  wait_node timer_node_;
  detail::sleep_operation timer_;
  time_point until_;
  bool expired_ = false;
};

/// The same for an operation that is left by a request: the deadline is that of its whole wait.
template <operation Op>
  requires detail::left_by_request<Op>
class with_deadline_operation<Op> : public detail::wrapped<Op> {
  static_assert(!detail::always_begins<Op>, "an operation that runs to its end cannot time out");

 public:
  with_deadline_operation(Op&& op, time_point until) : detail::wrapped<Op>{std::move(op)}, until_{until} {}
  with_deadline_operation(with_deadline_operation&& other) = default;

  [[nodiscard]] time_point own_deadline() const noexcept { return until_; }
  void describe(detail::wait_description& into) const {
    detail::describe_operation(this->op_, into);
    if (until_ != no_deadline) into.add(wait_kind::timer);
  }
  bool arm(wait_node& node) { return this->op_.arm(node); }
  void disarm(wait_node& node) { this->op_.disarm(node); }
  bool finish() { return this->op_.finish(); }

 private:
  time_point until_;
};

/// `op`, which fails with errc::timed_out unless it has happened by `until`, a point in time on any clock. What it
/// would have taken is not taken. A deadline that has passed fails it, unless it can happen at once. Nothing is
/// allocated.
/// Cancel: as that of `op`; the nearest of this and the deadlines around it counts.
template <operation Op, class Clock, class Duration>
[[nodiscard]] with_deadline_operation<Op> with_deadline(Op op, std::chrono::time_point<Clock, Duration> until) {
  return {std::move(op), deadline_at(until)};
}

/// with_deadline() `time` from now on: from the call, not from the beginning of the wait. A negative time has passed.
template <operation Op>
[[nodiscard]] with_deadline_operation<Op> with_timeout(Op op, time_span time) {
  return {std::move(op), deadline_after(time)};
}

}  // namespace weft
