#pragma once

#include <utility>

#include <weft/combine/detail/wrapped_operation.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// An operation that neither a cancel nor a deadline around it ends.
template <operation Op>
class shield_operation : public detail::wrapped<Op> {
 public:
  static constexpr bool runs_to_its_end = true;
  explicit shield_operation(Op&& op) : detail::wrapped<Op>{std::move(op)} {}
  shield_operation(shield_operation&& other) = default;

  [[nodiscard]] bool arm(wait_node& node) { return this->op_.arm(node); }
  void disarm(wait_node& node) { this->op_.disarm(node); }
  [[nodiscard]] bool finish() { return this->op_.finish(); }
};

/// `op`, whatever happens to the task meanwhile: neither its cancel nor the deadlines around it end the wait. A
/// deadline of the operation's own does: shield(with_timeout(op, 1s)).
/// Cancel: goes on waiting; the next wait of the task finds the request.
template <operation Op>
[[nodiscard]] shield_operation<Op> shield(Op op) {
  return shield_operation<Op>{std::move(op)};
}

}  // namespace weft
