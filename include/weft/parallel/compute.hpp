#pragma once

#include <chrono>
#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weft/base/result.hpp>
#include <weft/parallel/computation.hpp>

namespace weft {

namespace detail {

/// Runs a callable on a compute carrier; what it costs goes to its call site.
template <class F>
class compute_call : public computation {
 public:
  using returned = std::invoke_result_t<F&>;

  compute_call(F f, std::source_location site) : function_{std::move(f)}, site_{site} {}
  compute_call(compute_call&& other) noexcept
      : computation{std::move(other)}, function_{std::move(other.function_)}, site_{other.site_} {}

  [[nodiscard]] bool finish() noexcept {
    if (account()) account()->computed += took_;
    return true;
  }

 protected:
  ~compute_call() = default;

  /// On an OS thread.
  void run_here() noexcept { measure(compute_worker::here().pool()); }
  [[nodiscard]] returned take_outcome() { return outcome_.take(); }

 private:
  void run(compute_worker&) noexcept final {
    measure(pool());
    complete();
  }

  void measure(compute_pool* carriers) noexcept {
    auto began = std::chrono::steady_clock::now();
    outcome_.run(function_);
    took_ = std::chrono::steady_clock::now() - began;
    if (carriers) carriers->note(site_, took_);
  }

  F function_;
  std::source_location site_;
  outcome<returned> outcome_;
  std::chrono::nanoseconds took_{};
};

/// compute(f): once begun it is neither cancelled nor timed out, since its callable uses the waiter's variables; it
/// always begins.
template <class F>
class compute_operation final : public compute_call<F> {
 public:
  using value_type = std::invoke_result_t<F&>;
  static constexpr bool runs_to_its_end = true;
  using compute_call<F>::compute_call;

  value_type take() { return this->take_outcome(); }
  static value_type fail(errc) { std::terminate(); }  // never called: runs_to_its_end
  value_type block(time_point) {
    this->run_here();
    return take();
  }
};

/// try_compute(f): can be left as long as it has not begun.
template <class F>
class try_compute_operation final : public compute_call<F> {
 public:
  using value_type = result<std::invoke_result_t<F&>>;
  using compute_call<F>::compute_call;

  [[nodiscard]] bool request_cancel(wait_node&, std::uint64_t epoch) noexcept {
    auto how = this->leave(epoch);
    withdrawn_ = how == computation::leaving::withdrawn;
    return how != computation::leaving::under_way;
  }
  [[nodiscard]] bool interrupted() const noexcept { return withdrawn_; }

  value_type take() {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      this->take_outcome();
      return {};
    } else {
      return this->take_outcome();
    }
  }
  static value_type fail(errc why) { return failure(why); }
  value_type block(time_point) {
    this->run_here();
    return take();
  }

 private:
  bool withdrawn_ = false;
};

}  // namespace detail

/// compute(f) as an operation.
template <class F>
[[nodiscard]] auto async_compute(F f, std::source_location site = std::source_location::current()) {
  return detail::compute_operation<F>{std::move(f), site};
}

/// Runs `f`, which is CPU-bound, on a compute carrier, and returns what it returns or throws what it throws. The
/// caller parks, so that its seat serves others meanwhile: as many as there are may wait, each in its own frame, and
/// that is the only queue. A plain OS thread, a compute carrier included, runs `f` in place. Waits inside `f` block the
/// compute carrier. What the calls of one place cost, runtime::compute_sites() says.
/// Parks. Cancel: runs to its end; see try_compute().
/// Order: first come, first served, behind what was forked by computations that have begun.
template <class F>
std::invoke_result_t<F&> compute(F f, std::source_location site = std::source_location::current()) {
  return await(async_compute(std::move(f), site));
}

/// try_compute(f) as an operation.
template <class F>
[[nodiscard]] auto async_try_compute(F f, std::source_location site = std::source_location::current()) {
  return detail::try_compute_operation<F>{std::move(f), site};
}

/// compute(f) for a caller that does not wait for its turn at any price: when it is cancelled or its deadline passes
/// before `f` has begun, fails and `f` never runs. Once begun it runs to its end.
/// Parks.
template <class F>
[[nodiscard]] result<std::invoke_result_t<F&>> try_compute(
    F f, std::source_location site = std::source_location::current()) {
  return await(async_try_compute(std::move(f), site));
}

}  // namespace weft
