#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weft/combine/detail/pinned_operation.hpp>
#include <weft/task/operation.hpp>

namespace weft::detail {

/// In which order a select looks at its cases, so that none that is ready is preferred: from a random one on, by a
/// random stride, modulo a prime that is no less than their number. Of two cases each comes first in half of the
/// orders, whatever lies between them.
class case_order {
 public:
  case_order() = default;
  explicit case_order(std::size_t cases) noexcept;

  [[nodiscard]] std::size_t first() const noexcept { return first_; }
  [[nodiscard]] std::size_t after(std::size_t index) const noexcept {
    do {
      index += stride_;
      if (index >= prime_) index -= prime_;
    } while (index >= cases_);
    return index;
  }

 private:
  std::uint32_t cases_ = 1, prime_ = 1, first_ = 0, stride_ = 0;
};

/// An operation that can be left at any moment, however it was claimed.
template <class Op>
concept leavable = operation<Op> && !left_by_request<Op> && !uninterruptible<Op>;

/// An operation that happens piece by piece, so that being left may find it half done.
template <class Op>
concept piecemeal = requires { requires Op::happens_in_pieces; };

/// An operation that can be one of several.
template <class Op>
concept selectable = leavable<Op> && !piecemeal<Op>;

template <class Op>
concept select_case = selectable<std::remove_reference_t<Op>>;

template <class Op>
using value_of = typename std::remove_reference_t<case_of<Op>>::value_type;

/// In how many ways a wait for `op` can be claimed: it may itself consist of several.
template <class Op>
[[nodiscard]] constexpr std::size_t cases_of(const Op& op) noexcept {
  if constexpr (requires { op.case_count(); }) {
    return op.case_count();
  } else {
    return 1;
  }
}

/// Prepares `node` for one more case of the wait that `outer` stands for.
inline void begin_case(wait_node& node, const wait_node& outer, std::size_t index) noexcept {
  node.task = outer.task;
  node.epoch = outer.epoch;
  node.claimed = false;
  node.case_index = outer.case_index + static_cast<std::int32_t>(index);
}

/// The case, counted from that of `outer`, that ended its wait; none when it was one outside.
[[nodiscard]] inline std::optional<std::size_t> ended_by(const wait_node& outer, std::size_t cases) noexcept {
  const auto index = static_cast<std::int64_t>(outer.task->reason()) - outer.case_index;
  if (index < 0 || index >= static_cast<std::int64_t>(cases)) return std::nullopt;
  return static_cast<std::size_t>(index);
}

/// An operation that registers with one object under that object's lock, and so can be looked at together with others
/// at the same moment.
template <class Op>
concept registers_under_lock = selectable<Op> && requires { requires Op::locks_to_arm; };

/// The task, which runs, has been claimed by another: until that one has delivered.
void await_decision(task_base& task) noexcept;

/// What all operations share that wait for several others at once. `Select` has `size()`, `on(index, f)`, which calls f
/// with that operation, and `node(index)`; `takes_part(index)` if not all are waited for, and `stride()` if they may
/// consist of several themselves.
///
/// All cases are armed with the epoch of one wait, so that exactly one of them can claim it; the notification says
/// which. Where a case consists of several, each has `stride()` numbers, of which it uses the first.
template <class Select>
class select_machine {
 public:
  [[nodiscard]] std::size_t case_count() const noexcept { return self().size() * self().stride(); }

  bool try_complete() {
    auto count = self().size();
    const case_order order{count};
    auto candidate = order.first();
    for (std::size_t i = 0; i < count; ++i, candidate = order.after(candidate)) {
      if (self().on(candidate, [](auto& op) { return op.try_complete(); })) {
        chosen_ = candidate;
        return true;
      }
    }
    return false;
  }

  bool arm(wait_node& outer) { return arm_each<every_case>(outer); }

  /// After try_complete() has found nothing: looks at all cases at the same moment, those that register under a lock.
  /// True: one has happened. While `task`, the caller, is registered with all of them, none can happen without it; so
  /// when it then decides about its wait itself, none could have happened at that moment.
  bool check_at_one_moment(task_base& task) {
    wait_node outer;
    outer.task = &task;
    do {
      static_cast<void>(task.begin_wait(sched::cancellable::never));
      outer.epoch = task.epoch();
      if (arm_each<case_under_lock>(outer)) {
        task.end_wait_claimed();
      } else if (task.claim_own()) {
        task.end_wait_claimed();
        disarm_each<case_under_lock>();
        return false;
      } else {
        await_decision(task);
        disarm_each<case_under_lock>();
        chosen_ = ended_by(outer, case_count()).value_or(0) / self().stride();
      }
    } while (!self().finish());
    return true;
  }

  void disarm(wait_node& outer) {
    disarm_each<every_case>();
    if (auto ended = ended_by(outer, case_count())) chosen_ = *ended / self().stride();
  }

  /// Whoever holds the task that waits.
  void describe(wait_description& into) const {
    auto& cases = const_cast<Select&>(self());  // they are only read
    for (std::size_t i = 0; i < cases.size(); ++i) {
      if (cases.takes_part(i)) cases.on(i, [&](auto& op) { return describe_operation(op, into), true; });
    }
  }

  bool finish() {
    return self().on(chosen_, [](auto& op) { return op.finish(); });
  }

  // Where some of the operations are pinned: see `keeps_losers`. The others are left at once.
  [[nodiscard]] bool must_leave()
    requires(Select::has_pinned)
  {
    return self().any_pinned([](auto& op) { return op.is_under_way(); });
  }
  [[nodiscard]] bool request_cancel(wait_node& node, std::uint64_t epoch)
    requires(Select::has_pinned)
  {
    disarm_each<every_case>();
    node.epoch = epoch;
    node.claimed = false;
    const auto& owner = static_cast<const task_base&>(*node.task);
    static_cast<void>(self().any_pinned([&](auto& op) { return op.ask_to_end(owner), false; }));
    return !self().any_pinned([&](auto& op) { return !op.has_let_go(node); });
  }
  /// All have let go: whether nothing has happened that the wait was for.
  [[nodiscard]] bool interrupted()
    requires(Select::has_pinned)
  {
    return !self().has_outcome_after_all();
  }

 protected:
  select_machine() = default;
  [[nodiscard]] std::size_t chosen() const noexcept { return chosen_; }
  void choose(std::size_t index) noexcept { chosen_ = index; }

  [[nodiscard]] static constexpr bool takes_part(std::size_t) noexcept { return true; }
  [[nodiscard]] static constexpr std::size_t stride() noexcept { return 1; }

 private:
  [[nodiscard]] Select& self() noexcept { return static_cast<Select&>(*this); }
  [[nodiscard]] const Select& self() const noexcept { return static_cast<const Select&>(*this); }

  // Which of the cases are registered.
  struct every_case {
    template <class Op>
    static constexpr bool has = true;
  };
  struct case_under_lock {
    template <class Op>
    static constexpr bool has = registers_under_lock<Op>;
  };

  template <class Which>
  bool arm_each(wait_node& outer) {
    armed_ = 0;
    order_ = case_order{self().size()};
    for (auto next = order_.first(); armed_ < self().size(); ++armed_, next = order_.after(next)) {
      if (!self().takes_part(next)) continue;
      auto& node = self().node(next);
      begin_case(node, outer, next * self().stride());
      auto arm = [&](auto& op) {
        if constexpr (Which::template has<std::remove_reference_t<decltype(op)>>) return op.arm(node);
        return false;
      };
      if (self().on(next, arm)) {
        disarm_each<Which>();  // those before it: they can claim nothing any more
        chosen_ = next;
        return true;
      }
    }
    return false;
  }

  template <class Which>
  void disarm_each() {
    for (auto next = order_.first(); armed_ != 0; --armed_, next = order_.after(next)) {
      if (!self().takes_part(next)) continue;
      self().on(next, [&](auto& op) {
        if constexpr (Which::template has<std::remove_reference_t<decltype(op)>>) op.disarm(self().node(next));
        return true;
      });
    }
  }

  case_order order_;
  std::size_t armed_ = 0, chosen_ = 0;
};

/// The operations of a select_machine whose number and types are known when it is compiled. Each is held, or, given as
/// an lvalue, referred to.
template <class... Ops>
class case_tuple {
 public:
  static constexpr bool has_pinned = (must_be_pinned<Ops> || ...);
  static constexpr bool lends_its_stack = (lends_stack<std::remove_reference_t<Ops>> || ...);

  explicit case_tuple(Ops&&... ops) : operations_{std::forward<Ops>(ops)...} {
    if constexpr ((0 + ... + int{std::is_lvalue_reference_v<Ops>}) > 1) check_all_differ();
  }
  case_tuple(case_tuple&& other) : operations_{std::move(other.operations_)} {}

  [[nodiscard]] static constexpr std::size_t size() noexcept { return sizeof...(Ops); }
  [[nodiscard]] wait_node& node(std::size_t index) noexcept { return nodes_[index]; }

  [[nodiscard]] constexpr std::size_t stride() const noexcept {
    return std::apply([](const auto&... ops) { return std::max({cases_of(ops)...}); }, operations_);
  }

  /// What `f` answers for the operation at `index`.
  template <class F>
  bool on(std::size_t index, F&& f) {
    return on_indexed(index, [&f](auto& op, auto) { return f(op); });
  }

  /// The same, where `f` is told the index as a std::integral_constant as well.
  template <class F>
  bool on_indexed(std::size_t index, F&& f) {
    return on_each(index, f, std::index_sequence_for<Ops...>{});
  }

  template <std::size_t I>
  [[nodiscard]] auto& get() noexcept {
    return std::get<I>(operations_);
  }

  /// Whether `f` answers true for one of those that are pinned; it is called for them in their order, up to that one.
  template <class F>
  bool any_pinned(F f) {
    return any_pinned_indexed([&f](auto& op, auto) { return f(op); });
  }
  template <class F>
  bool any_pinned_indexed(F f) {
    return any_pinned_of(f, std::index_sequence_for<Ops...>{});
  }

 private:
  template <class F, std::size_t... I>
  bool on_each(std::size_t index, F& f, std::index_sequence<I...>) {
    bool answer = false;
    static_cast<void>((
        (I == index && (answer = f(std::get<I>(operations_), std::integral_constant<std::size_t, I>{}), true)) || ...));
    return answer;
  }

  template <class F, std::size_t... I>
  bool any_pinned_of(F& f, std::index_sequence<I...>) {
    auto ask = [&f](auto& op, auto index) {
      if constexpr (requires { op.is_under_way(); }) {
        return f(op, index);
      } else {
        return false;
      }
    };
    return (ask(std::get<I>(operations_), std::integral_constant<std::size_t, I>{}) || ...);
  }

  void check_all_differ() const {
    auto all = std::apply(
        [](const auto&... ops) { return std::array{static_cast<const void*>(std::addressof(ops))...}; }, operations_);
    std::ranges::sort(all);
    WEFT_CHECK(std::ranges::adjacent_find(all) == all.end(), "one operation is one case: make another one", "select",
               this);
  }

  std::tuple<case_of<Ops>...> operations_;
  std::array<wait_node, sizeof...(Ops)> nodes_;
};

/// Whether each is an operation, held or referred to.
template <class... Ops>
concept all_operations = (operation<std::remove_reference_t<Ops>> && ...);

/// Among several operations there is something else: says so.
template <class... Ops>
auto refuse_cases() noexcept {
  if constexpr ((outcome_of_call<std::remove_cvref_t<Ops>> || ...)) {
    static_assert(never<Ops...>, "each case is an operation, x.async_f(): the plain form, x.f(), has waited already");
  } else if constexpr ((is_coroutine<std::remove_cvref_t<Ops>> || ...)) {
    static_assert(never<Ops...>,
                  "each case is an operation, and a weft::task is none: spawn it, and wait for handle.async_wait() or "
                  "handle.async_join()");
  } else {
    static_assert(never<Ops...>, "each case is an operation, x.async_f()");
  }
  return std::suspend_never{};
}

/// What those may be that are all waited for.
template <class... Ops>
struct check_all_cases {
  static_assert(sizeof...(Ops) != 0, "a wait for none of several operations would last for ever");
};

/// What those may be of which one counts.
template <class... Ops>
struct check_cases : check_all_cases<Ops...> {
  static_assert(((!uninterruptible<std::remove_reference_t<Ops>> && !always_begins<std::remove_reference_t<Ops>>) &&
                 ...),
                "an operation that runs to its end, such as blocking(), compute() or shield(), is no case where one "
                "counts, since the others would be waited for all the same: wait for all with when_all(), or spawn it "
                "in a weft::first_success; try_compute() can be left while it waits for its turn");
  static_assert((!piecemeal<std::remove_reference_t<Ops>> && ...),
                "an operation that may be half done when another happens, such as when_all() or send_all(), is no case "
                "where one counts: spawn it in a weft::first_success");
};

}  // namespace weft::detail
