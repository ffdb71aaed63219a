#pragma once

#include <cstdint>
#include <utility>

#include <weft/combine/detail/select_machine.hpp>
#include <weft/task/operation.hpp>

namespace weft::detail {

/// What one operation that wraps another shares with it.
template <operation Op>
class wrapped {
 public:
  using value_type = typename Op::value_type;
  static constexpr wait_kind kind = Op::kind;
  static constexpr bool happens_in_pieces = piecemeal<Op>;
  static constexpr bool lends_its_stack = lends_stack<Op>;

  [[nodiscard]] bool try_complete() { return op_.try_complete(); }
  [[nodiscard]] value_type take() { return op_.take(); }
  [[nodiscard]] value_type fail(errc condition) { return op_.fail(condition); }
  void describe(wait_description& into) const { describe_operation(op_, into); }
  void lost()
    requires requires(Op& op) { op.lost(); }
  {
    op_.lost();
  }

  // What cannot be left at once cannot be wrapped either.
  [[nodiscard]] bool request_cancel(wait_node& node, std::uint64_t epoch)
    requires left_by_request<Op>
  {
    return op_.request_cancel(node, epoch);
  }
  [[nodiscard]] bool interrupted()
    requires left_by_request<Op>
  {
    return op_.interrupted();
  }
  [[nodiscard]] bool must_leave()
    requires keeps_losers<Op>
  {
    return op_.must_leave();
  }

 protected:
  explicit wrapped(Op&& op) : op_{std::move(op)} {}
  Op op_;
};

}  // namespace weft::detail
