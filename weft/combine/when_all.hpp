#pragma once

#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

#include <weft/combine/detail/select_machine.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// Several operations that all happen, in whatever order.
template <class... Ops>
class when_all_operation : public detail::case_tuple<Ops...>,
                           public detail::select_machine<when_all_operation<Ops...>>,
                           detail::check_all_cases<Ops...> {
  using machine = detail::select_machine<when_all_operation>;

 public:
  using value_type = std::tuple<detail::value_of<Ops>...>;
  static constexpr wait_kind kind = std::get<0>(std::tuple{std::remove_reference_t<Ops>::kind...});
  static constexpr bool happens_in_pieces = true;
  explicit when_all_operation(Ops&&... ops) : detail::case_tuple<Ops...>{std::forward<Ops>(ops)...} {}
  when_all_operation(when_all_operation&& other) = default;

  using detail::case_tuple<Ops...>::stride;
  [[nodiscard]] bool takes_part(std::size_t index) const noexcept { return !done_[index]; }

  bool try_complete() {
    use_.check("when_all", this);
    for (std::size_t i = 0; i < this->size(); ++i) {
      if (!done_[i] && this->on(i, [](auto& op) { return op.try_complete(); })) note_done(i);
    }
    return count_ == this->size();
  }

  /// Those that were kept and have happened all the same count.
  [[nodiscard]] bool has_outcome_after_all() {
    static_cast<void>(this->any_pinned_indexed([this](auto& op, auto index) {
      if (!done_[index()] && op.has_happened()) note_done(index());
      return false;
    }));
    return count_ == this->size();
  }

  /// One has happened: true when that was the last.
  bool finish() {
    if (machine::finish()) note_done(this->chosen());
    return try_complete();
  }

  value_type take() { return take_or_fail(errc{}, std::index_sequence_for<Ops...>{}); }
  /// What has happened keeps its outcome; the others fail with `condition`.
  value_type fail(errc condition) { return take_or_fail(condition, std::index_sequence_for<Ops...>{}); }

 private:
  void note_done(std::size_t index) noexcept {
    done_[index] = true;
    ++count_;
  }

  template <std::size_t... I>
  value_type take_or_fail(errc condition, std::index_sequence<I...>) {
    use_.spend();
    return value_type{(done_[I] ? this->template get<I>().take() : this->template get<I>().fail(condition))...};
  }

  std::array<bool, sizeof...(Ops)> done_{};
  std::size_t count_ = 0;
  detail::single_use use_;
};

/// Until all of `ops` have happened: a tuple of what each gave, failures included: one that fails does not end the
/// others. Nothing is allocated. One whose value cannot say that it failed, such as async_blocking(f), gives a result<>
/// of it here. On a plain OS thread what blocks, or computes, does so one after another, and a shield() or a race that
/// has a file in it may have no deadline of its own: the program ends with a message.
///
/// Order: an operation that waits in a queue begins anew there, last, whenever another one has happened. What the
///   kernel, a worker or a compute carrier does begins once.
/// Cancel: those that have happened keep their outcome; the others fail with errc::cancelled or errc::timed_out. What
///   the kernel does is asked to end, what runs to its end does, and both are waited for.
/// Throws what an operation throws, the first of those that throw; what the others gave is lost then.
template <class... Ops>
  requires detail::all_operations<Ops...>
[[nodiscard]] when_all_operation<Ops...> when_all(Ops&&... ops) {
  return when_all_operation<Ops...>{std::forward<Ops>(ops)...};
}
template <class... Ops>
  requires(!detail::all_operations<Ops...>)
auto when_all(Ops&&...) {
  return detail::refuse_cases<Ops...>();
}

}  // namespace weft
