#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>
#include <utility>

#include <weft/combine/detail/select_machine.hpp>
#include <weft/combine/detail/wrapped_operation.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// An operation that fails with errc::cancelled once a std::stop_token says so: that is one more case of its wait.
template <operation Op>
class with_stop_token_operation : public detail::wrapped<Op> {
  static_assert(detail::leavable<Op>,
                "an operation that cannot be left at once is stopped with its task: cancel that, or its scope");

 public:
  with_stop_token_operation(Op&& op, std::stop_token token)
      : detail::wrapped<Op>{std::move(op)}, token_{std::move(token)} {}
  with_stop_token_operation(with_stop_token_operation&& other)
      : detail::wrapped<Op>{std::move(other.op_)}, token_{other.token_} {}

  [[nodiscard]] std::size_t case_count() const noexcept { return detail::cases_of(this->op_) + 1; }

  [[nodiscard]] bool try_complete() {
    stopped_ = token_.stop_requested();
    return stopped_ || this->op_.try_complete();
  }

  bool arm(wait_node& outer) {
    stopped_ = false;
    detail::begin_case(stop_node_, outer, case_count() - 1);  // `outer` is read before it can be claimed
    if (this->op_.arm(outer)) return true;
    // Calls at once when the stop was requested before: then the wait is over, as if it had been right after.
    callback_.emplace(token_, claim_wait{&stop_node_});
    return false;
  }
  void disarm(wait_node& outer) {
    callback_.reset();  // returns when it is not running any more
    this->op_.disarm(outer);
    stopped_ = detail::ended_by(outer, case_count()) == case_count() - 1;
  }
  void describe(detail::wait_description& into) const {
    detail::describe_operation(this->op_, into);
    into.add(Op::kind, "std::stop_token");
  }
  bool finish() { return stopped_ || this->op_.finish(); }
  [[nodiscard]] typename Op::value_type take() { return stopped_ ? this->op_.fail(errc::cancelled) : this->op_.take(); }

 private:
  struct claim_wait {
    wait_node* node;
    void operator()() const noexcept { static_cast<void>(node->claim_and_notify()); }
  };

  std::stop_token token_;
  wait_node stop_node_;
  std::optional<std::stop_callback<claim_wait>> callback_;
  bool stopped_ = false;
};

/// `op`, which fails with errc::cancelled, without having taken anything, once a stop of `token` is requested; at once
/// when it was before. Nothing is allocated.
/// Cancel: as that of `op`.
template <operation Op>
[[nodiscard]] with_stop_token_operation<Op> with_stop_token(Op op, std::stop_token token) {
  return {std::move(op), std::move(token)};
}

}  // namespace weft
