#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include <weft/base/random.hpp>
#include <weft/task/operation.hpp>

namespace weft {

namespace detail {

/// Where a select begins to look, so that no ready case is always preferred.
[[nodiscard]] std::size_t random_start(std::size_t cases) noexcept;

}  // namespace detail

/// Several operations of which exactly one happens; the others have taken nothing.
template <operation... Ops>
class select_operation {
  static_assert((!detail::kernel_owned<Ops> && ...),
                "an operation whose buffers the kernel owns cannot be one of several");
  static_assert((!detail::uninterruptible<Ops> && ...), "an operation that runs to its end cannot be one of several");
  static constexpr std::size_t count = sizeof...(Ops);

 public:
  using value_type = result<std::variant<typename Ops::value_type...>>;
  static constexpr wait_kind kind = std::get<0>(std::tuple{Ops::kind...});
  explicit select_operation(Ops&&... ops) : operations_{std::move(ops)...} {}
  select_operation(select_operation&& other) : operations_{std::move(other.operations_)} {}

  bool try_complete() {
    auto start = detail::random_start(count);
    for (std::size_t i = 0; i < count; ++i) {
      auto candidate = (start + i) % count;
      if (on(candidate, [](auto& op) { return op.try_complete(); })) {
        chosen_ = candidate;
        return true;
      }
    }
    return false;
  }

  bool arm(wait_node& node) {
    armed_ = 0;
    start_ = detail::random_start(count);
    for (; armed_ < count; ++armed_) {
      auto next = (start_ + armed_) % count;
      nodes_[next].task = node.task;
      nodes_[next].epoch = node.epoch;
      nodes_[next].case_index = static_cast<std::int32_t>(next);
      if (on(next, [&](auto& op) { return op.arm(nodes_[next]); })) {
        disarm_all();  // those before it; nobody can have claimed them any more
        chosen_ = next;
        return true;
      }
    }
    return false;
  }

  void disarm(wait_node& node) noexcept {
    disarm_all();
    auto reason = node.task->reason();
    if (reason >= 0) chosen_ = static_cast<std::size_t>(reason);
  }

  bool finish() {
    return on(chosen_, [](auto& op) { return op.finish(); });
  }

  value_type take() { return take_from(std::index_sequence_for<Ops...>{}); }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  void disarm_all() noexcept {
    for (std::size_t i = 0; i < armed_; ++i) {
      auto armed = (start_ + i) % count;
      on(armed, [&](auto& op) { return op.disarm(nodes_[armed]), true; });
    }
    armed_ = 0;
  }

  template <class F>
  bool on(std::size_t index, F&& f) {
    return on_each(index, std::forward<F>(f), std::index_sequence_for<Ops...>{});
  }
  template <class F, std::size_t... I>
  bool on_each(std::size_t index, F&& f, std::index_sequence<I...>) {
    bool answer = false;
    static_cast<void>(((I == index && (answer = f(std::get<I>(operations_)), true)) || ...));
    return answer;
  }
  template <std::size_t... I>
  value_type take_from(std::index_sequence<I...>) {
    std::optional<value_type> taken;
    static_cast<void>(
        ((I == chosen_ &&
          (taken.emplace(std::in_place, std::in_place_index<I>, std::get<I>(operations_).take()), true)) ||
         ...));
    return std::move(*taken);
  }

  std::tuple<Ops...> operations_;
  std::array<wait_node, count> nodes_;
  std::size_t start_ = 0, armed_ = 0, chosen_ = 0;
};

/// Several operations as one, for co_await.
template <operation... Ops>
[[nodiscard]] auto async_select(Ops... ops) {
  return select_operation<Ops...>{std::move(ops)...};
}

/// Waits until one of `ops` can happen, and has it happen: `index()` of the variant says which. Among several that are
/// ready the choice is random. Fails, and none has happened, with errc::cancelled or errc::timed_out.
/// Parks. Cancel: none has happened.
template <operation... Ops>
[[nodiscard]] auto select(Ops... ops) {
  return await(async_select(std::move(ops)...));
}

}  // namespace weft
