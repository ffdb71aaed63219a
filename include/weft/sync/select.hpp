#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <weft/task/operation.hpp>

namespace weft {

namespace detail {

/// Where a select begins to look, so that no ready case is always preferred.
[[nodiscard]] std::size_t random_start(std::size_t cases) noexcept;

/// An operation that can be one of several: it can be left at any moment.
template <class Op>
concept selectable = operation<Op> && !left_by_request<Op> && !uninterruptible<Op> && !requires { Op::is_select; };

/// What all selects share. `Select` has `size()`, `on(index, f)`, which calls f with that operation, and `node(index)`.
///
/// All cases are armed with the epoch of one wait, so that exactly one of them can claim it; the notification says
/// which.
template <class Select>
class select_machine {
 public:
  static constexpr bool is_select = true;

  bool try_complete() {
    auto count = self().size();
    auto candidate = random_start(count);
    for (std::size_t i = 0; i < count; ++i, candidate = after(candidate)) {
      if (self().on(candidate, [](auto& op) { return op.try_complete(); })) {
        chosen_ = candidate;
        return true;
      }
    }
    return false;
  }

  bool arm(wait_node& outer) {
    armed_ = 0;
    first_ = random_start(self().size());
    for (auto next = first_; armed_ < self().size(); ++armed_, next = after(next)) {
      auto& node = self().node(next);
      node.task = outer.task;
      node.epoch = outer.epoch;
      node.claimed = false;
      node.case_index = static_cast<std::int32_t>(next);
      if (self().on(next, [&](auto& op) { return op.arm(node); })) {
        disarm_all();  // those before it: they can claim nothing any more
        chosen_ = next;
        return true;
      }
    }
    return false;
  }

  void disarm(wait_node& outer) {
    disarm_all();
    if (auto reason = outer.task->reason(); reason >= 0) chosen_ = static_cast<std::size_t>(reason);
  }

  bool finish() {
    return self().on(chosen_, [](auto& op) { return op.finish(); });
  }

 protected:
  select_machine() = default;
  [[nodiscard]] std::size_t chosen() const noexcept { return chosen_; }

 private:
  [[nodiscard]] Select& self() noexcept { return static_cast<Select&>(*this); }
  [[nodiscard]] std::size_t after(std::size_t index) noexcept { return index + 1 == self().size() ? 0 : index + 1; }

  void disarm_all() {
    for (auto next = first_; armed_ != 0; --armed_, next = after(next)) {
      self().on(next, [&](auto& op) { return op.disarm(self().node(next)), true; });
    }
  }

  std::size_t first_ = 0, armed_ = 0, chosen_ = 0;
};

template <class Op>
concept select_case = selectable<std::remove_reference_t<Op>>;

template <class Op>
using select_value = typename std::remove_reference_t<Op>::value_type;

}  // namespace detail

/// Several operations of which exactly one happens; the others have taken nothing. Each is held, or, given as an
/// lvalue, referred to: then it can be used again when another one happened.
template <class... Ops>
class select_operation : public detail::select_machine<select_operation<Ops...>> {
  static_assert(sizeof...(Ops) != 0, "a select without cases would wait for ever");
  static_assert((operation<std::remove_reference_t<Ops>> && ...), "each case is an operation, such as x.async_recv()");
  static_assert(
      (!detail::left_by_request<std::remove_reference_t<Ops>> && ...),
      "an operation whose buffers the kernel owns, or that has a lock to take back, cannot be one of several");
  static_assert((!detail::uninterruptible<std::remove_reference_t<Ops>> && ...),
                "an operation that runs to its end cannot be one of several");
  static_assert((detail::select_case<Ops> && ...), "a select is no case of another: give its cases to the outer one");

 public:
  using value_type = result<std::variant<detail::select_value<Ops>...>>;
  static constexpr wait_kind kind = std::get<0>(std::tuple{std::remove_reference_t<Ops>::kind...});
  explicit select_operation(Ops&&... ops) : operations_{std::forward<Ops>(ops)...} {}
  select_operation(select_operation&& other) : operations_{std::move(other.operations_)} {}

  value_type take() { return take_from(std::index_sequence_for<Ops...>{}); }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  friend class detail::select_machine<select_operation>;

  [[nodiscard]] static constexpr std::size_t size() noexcept { return sizeof...(Ops); }
  [[nodiscard]] wait_node& node(std::size_t index) noexcept { return nodes_[index]; }

  template <class F>
  bool on(std::size_t index, F&& f) {
    return on_each(index, f, std::index_sequence_for<Ops...>{});
  }
  template <class F, std::size_t... I>
  bool on_each(std::size_t index, F& f, std::index_sequence<I...>) {
    bool answer = false;
    static_cast<void>(((I == index && (answer = f(std::get<I>(operations_)), true)) || ...));
    return answer;
  }
  template <std::size_t... I>
  value_type take_from(std::index_sequence<I...>) {
    std::optional<value_type> taken;
    static_cast<void>(
        ((I == this->chosen() &&
          (taken.emplace(std::in_place, std::in_place_index<I>, std::get<I>(operations_).take()), true)) ||
         ...));
    return std::move(*taken);
  }

  std::tuple<Ops...> operations_;
  std::array<wait_node, sizeof...(Ops)> nodes_;
};

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

  value_type take() { return selected<typename Op::value_type>{this->chosen(), operations_[this->chosen()].take()}; }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  friend class detail::select_machine<select_from_operation>;

  [[nodiscard]] std::size_t size() const noexcept { return operations_.size(); }
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
/// Parks. Cancel: none has happened; errc::cancelled, or errc::timed_out. A case that was decided first is returned.
template <class... Ops>
[[nodiscard]] typename select_operation<Ops...>::value_type select(Ops&&... ops) {
  return await(async_select(std::forward<Ops>(ops)...));
}

/// The same over operations of one type, as many as there are: gives the index and the value.
/// Throws std::bad_alloc.
template <detail::selectable Op>
[[nodiscard]] typename select_from_operation<Op>::value_type select_from(std::span<Op> ops) {
  return await(async_select_from(ops));
}

/// One of `ops`, if one can happen at once; otherwise none has, and nothing is returned. Does not wait.
template <class... Ops>
[[nodiscard]] std::optional<std::variant<detail::select_value<Ops>...>> try_select(Ops&&... ops) {
  auto all = async_select(std::forward<Ops>(ops)...);
  if (!all.try_complete()) return std::nullopt;
  return std::move(*all.take());
}

}  // namespace weft
