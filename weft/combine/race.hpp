#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>
#include <variant>

#include <weft/base/result.hpp>
#include <weft/combine/detail/select_machine.hpp>
#include <weft/task/operation.hpp>

namespace weft {

namespace detail {

/// An operation that says whether it succeeded.
template <class Op>
concept may_fail = requires(value_of<Op> outcome) {
  { outcome.has_value() } -> std::convertible_to<bool>;
  outcome.error();
};

/// Why an operation failed, of a failure that may carry more than the reason.
template <class Error>
[[nodiscard]] std::error_code reason_of(const Error& error) noexcept {
  if constexpr (std::convertible_to<const Error&, std::error_code>) {
    return error;
  } else {
    return error.reason;
  }
}

}  // namespace detail

/// Several operations of which the first that succeeds counts.
template <class... Ops>
class race_operation : public detail::case_tuple<Ops...>,
                       public detail::select_machine<race_operation<Ops...>>,
                       detail::check_cases<Ops...> {
  static_assert((detail::may_fail<Ops> && ...), "who races gives a result: for others there is when_any");
  using machine = detail::select_machine<race_operation>;

 public:
  using value_type = result<std::variant<detail::value_of<Ops>...>>;
  static constexpr wait_kind kind = std::get<0>(std::tuple{std::remove_reference_t<Ops>::kind...});
  explicit race_operation(Ops&&... ops) : detail::case_tuple<Ops...>{std::forward<Ops>(ops)...} {}
  race_operation(race_operation&& other) = default;

  using detail::case_tuple<Ops...>::stride;
  [[nodiscard]] bool takes_part(std::size_t index) const noexcept { return !failed_[index]; }

  bool try_complete() {
    use_.check("race", this);
    const detail::case_order order{this->size()};
    auto next = order.first();
    for (std::size_t i = 0; i < this->size(); ++i, next = order.after(next)) {
      if (failed_[next] || !this->on(next, [](auto& op) { return op.try_complete(); })) continue;
      if (has_decided(next)) return true;
    }
    return false;
  }

  /// One that was kept and has succeeded all the same wins, when none had before.
  [[nodiscard]] bool has_outcome_after_all() {
    const bool decided = is_decided();
    static_cast<void>(this->any_pinned_indexed([&](auto& op, auto index) {
      if (decided || is_decided() || failed_[index()] || !op.has_happened()) {
        if (!taken_ || taken_->index() != index()) op.lose();
      } else {
        static_cast<void>(has_decided(index()));
      }
      return false;
    }));
    return is_decided();
  }

  bool finish() { return machine::finish() && has_decided(this->chosen()); }

  value_type take() {
    use_.spend();
    if (!taken_) return std::unexpected{first_failure_};
    return value_type{std::move(*taken_)};
  }
  value_type fail(errc condition) {
    use_.spend();
    return failure(condition);
  }
  /// As one of several, it has happened, and another one counts.
  void lost() {
    if (!taken_) return;
    this->on(taken_->index(), [](auto& op) {
      if constexpr (requires { op.lose(); }) op.lose();
      return true;
    });
  }

 private:
  /// The operation at `index` has happened. True when that ends the race: it succeeded, or was the last.
  bool has_decided(std::size_t index) {
    this->on_indexed(index, [&](auto& op, auto constant) {
      auto outcome = op.take();
      if (outcome.has_value()) {
        taken_.emplace(std::in_place_index<constant()>, std::move(outcome));
      } else {
        if (failures_ == 0) first_failure_ = detail::reason_of(outcome.error());
        ++failures_;
        failed_[index] = true;
      }
      return true;
    });
    return is_decided();
  }
  [[nodiscard]] bool is_decided() const noexcept { return taken_ || failures_ == this->size(); }

  std::optional<std::variant<detail::value_of<Ops>...>> taken_;
  std::array<bool, sizeof...(Ops)> failed_{};
  std::size_t failures_ = 0;
  std::error_code first_failure_;
  detail::single_use use_;
};

/// Until one of `ops` has succeeded: `index()` of the variant says which, and it holds that operation's success. The
/// others have taken nothing. When all have failed: why the first of them did. Nothing is allocated.
///
/// A loser that the kernel or a compute carrier is at, such as a file's read, is asked to end, and waited for until its
/// buffers are the caller's again. It may have happened by then: what was written is.
/// Order: an operation that waits in a queue begins anew there, last, whenever another one has failed.
/// Cancel: none has succeeded; errc::cancelled, or errc::timed_out.
template <class... Ops>
  requires detail::all_operations<Ops...>
[[nodiscard]] race_operation<Ops...> race(Ops&&... ops) {
  return race_operation<Ops...>{std::forward<Ops>(ops)...};
}
template <class... Ops>
  requires(!detail::all_operations<Ops...>)
auto race(Ops&&...) {
  return detail::refuse_cases<Ops...>();
}

}  // namespace weft
