#pragma once

#include <type_traits>
#include <utility>

#include <weft/task/offload.hpp>

namespace weft {

/// compute(f) as an operation.
template <class F>
[[nodiscard]] auto async_compute(F f) {
  return detail::offload_operation<F, wait_kind::compute>{std::move(f)};
}

/// Runs `f`, which is CPU-bound, on a compute carrier, and returns what it returns or throws what it throws. The
/// caller parks, so that its seat serves others meanwhile; a plain OS thread, a compute carrier included, runs `f` in
/// place. Once begun it runs to its end. Waits inside `f` block the compute carrier.
template <class F>
std::invoke_result_t<F&> compute(F f) {
  return await(async_compute(std::move(f)));
}

}  // namespace weft
