#pragma once

#include <optional>
#include <utility>
#include <variant>

#include <weft/base/result.hpp>
#include <weft/combine/detail/select_machine.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// Several operations of which exactly one happens; the others have taken nothing. Each is held, or, given as an
/// lvalue, referred to: then it can be used again when another one happened.
template <class... Ops>
class when_any_operation : public detail::case_tuple<Ops...>,
                           public detail::select_machine<when_any_operation<Ops...>>,
                           detail::check_cases<Ops...> {
  using machine = detail::select_machine<when_any_operation>;

 public:
  using value_type = result<std::variant<detail::value_of<Ops>...>>;
  static constexpr wait_kind kind = std::get<0>(std::tuple{std::remove_reference_t<Ops>::kind...});
  explicit when_any_operation(Ops&&... ops) : detail::case_tuple<Ops...>{std::forward<Ops>(ops)...} {}
  when_any_operation(when_any_operation&& other) = default;

  using detail::case_tuple<Ops...>::stride;

  bool try_complete() { return happened_ = machine::try_complete(); }
  bool finish() { return happened_ = machine::finish(); }
  /// One that was kept and has happened all the same counts, when none had before.
  [[nodiscard]] bool has_outcome_after_all() {
    static_cast<void>(this->any_pinned_indexed([this](auto& op, auto index) {
      if (happened_ ? this->chosen() == index() : op.has_happened()) {
        this->choose(index());
        happened_ = true;
      } else {
        op.lose();
      }
      return false;
    }));
    return happened_;
  }

  value_type take() {
    std::optional<value_type> taken;
    this->on_indexed(this->chosen(), [&](auto& op, auto index) {
      taken.emplace(std::in_place, std::in_place_index<index()>, op.take());
      return true;
    });
    return std::move(*taken);
  }
  static value_type fail(errc condition) { return failure(condition); }
  /// As one of several, it has happened, and another one counts.
  void lost() {
    if (!happened_) return;
    this->on(this->chosen(), [](auto& op) {
      if constexpr (requires { op.lose(); }) op.lose();
      return true;
    });
  }

 private:
  bool happened_ = false;
};

/// Until one of `ops` has happened: `index()` of the variant says which. Where to begin looking among several that are
/// ready is random. Nothing is allocated. `select` in <weft/combine/select.hpp> is the same in the waiting form.
///
/// One that the kernel or a compute carrier is at, such as a file's read, is asked to end when another happens, and
/// waited for until its buffers are the caller's again. It may have happened as well by then, with nobody to learn of
/// it: a read at an offset takes nothing from the file, but what was written is.
/// Cancel: none has happened; errc::cancelled, or errc::timed_out. A case that was decided first is returned.
template <class... Ops>
  requires detail::all_operations<Ops...>
[[nodiscard]] when_any_operation<Ops...> when_any(Ops&&... ops) {
  return when_any_operation<Ops...>{std::forward<Ops>(ops)...};
}
template <class... Ops>
  requires(!detail::all_operations<Ops...>)
auto when_any(Ops&&...) {
  return detail::refuse_cases<Ops...>();
}

}  // namespace weft
