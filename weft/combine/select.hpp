#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include <weft/combine/detail/select_machine.hpp>
#include <weft/combine/when_any.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// Several operations of which exactly one happens, as when_any() makes them.
template <class... Ops>
using select_operation = when_any_operation<Ops...>;

/// Which of several operations of one type happened, and what it gave.
template <class T>
struct selected {
  std::size_t index;
  T value;
};

/// As select_operation, over operations of one type that the caller keeps, any number of them from 1.
template <detail::selectable Op>
class select_from_operation : public detail::select_machine<select_from_operation<Op>> {
 public:
  using value_type = result<selected<typename Op::value_type>>;
  static constexpr wait_kind kind = Op::kind;
  /// Allocates a node for each.
  explicit select_from_operation(std::span<Op> ops) : operations_{ops}, nodes_{new wait_node[ops.size()]} {
    WEFT_CHECK(!ops.empty(), "a select without cases would wait for ever");
  }
  select_from_operation(select_from_operation&& other) noexcept
      : operations_{other.operations_}, nodes_{std::move(other.nodes_)} {}

  bool try_complete() {
    WEFT_CHECK(nodes_, "what was moved from cannot wait: make another one", "select", this);
    return detail::select_machine<select_from_operation>::try_complete();
  }
  value_type take() { return selected<typename Op::value_type>{this->chosen(), operations_[this->chosen()].take()}; }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  friend class detail::select_machine<select_from_operation>;

  [[nodiscard]] std::size_t size() const noexcept { return operations_.size(); }
  [[nodiscard]] std::size_t stride() const noexcept { return detail::cases_of(operations_.front()); }
  [[nodiscard]] wait_node& node(std::size_t index) noexcept { return nodes_[index]; }
  template <class F>
  bool on(std::size_t index, F&& f) {
    return f(operations_[index]);
  }

  std::span<Op> operations_;
  std::unique_ptr<wait_node[]> nodes_;
};

/// Several operations as one, for co_await.
template <class... Ops>
  requires detail::all_operations<Ops...>
[[nodiscard]] select_operation<Ops...> async_select(Ops&&... ops) {
  return select_operation<Ops...>{std::forward<Ops>(ops)...};
}
template <detail::selectable Op>
[[nodiscard]] select_from_operation<Op> async_select_from(std::span<Op> ops) {
  return select_from_operation<Op>{ops};
}

/// Waits until one of `ops` can happen, and has it happen: `index()` of the variant says which. Where to begin looking
/// among several that are ready is random. An operation given as an lvalue can be used again when another one happened:
/// so a value that was to be sent is not lost.
/// Parks.
/// Cancel: none has happened; errc::cancelled, or errc::timed_out. A case that was decided first is returned.
template <class... Ops>
  requires detail::all_operations<Ops...>
[[nodiscard]] typename select_operation<Ops...>::value_type select(Ops&&... ops) {
  return await(async_select(std::forward<Ops>(ops)...));
}
template <class... Ops>
  requires(!detail::all_operations<Ops...>)
auto async_select(Ops&&...) {
  return detail::refuse_cases<Ops...>();
}
template <class... Ops>
  requires(!detail::all_operations<Ops...>)
auto select(Ops&&...) {
  return detail::refuse_cases<Ops...>();
}

/// The same over operations of one type, as many as there are: gives the index and the value.
/// Parks.
/// Throws std::bad_alloc.
template <detail::selectable Op>
[[nodiscard]] typename select_from_operation<Op>::value_type select_from(std::span<Op> ops) {
  return await(async_select_from(ops));
}

/// One of `ops`, if one can happen at once; otherwise none has, and nothing is returned. Does not wait.
///
/// Nothing means: there was a moment at which none of them could happen. That holds for channels and whatever else lies
/// in memory, such as locks, events and the ends of tasks; files, sockets and time are looked at one after another.
template <class... Ops>
[[nodiscard]] std::optional<std::variant<detail::value_of<Ops>...>> try_select(Ops&&... ops) {
  auto all = async_select(std::forward<Ops>(ops)...);
  if (!all.try_complete()) {
    constexpr auto several = 2;
    if constexpr ((0 + ... + int{detail::registers_under_lock<std::remove_reference_t<Ops>>}) < several) {
      return std::nullopt;
    } else if (!all.check_at_one_moment(detail::current_task())) {
      return std::nullopt;
    }
  }
  return std::move(*all.take());
}

}  // namespace weft
