#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <weft/parallel/computation.hpp>

namespace weft {

namespace detail {

template <class F>
parallel_task<> invoke_one(F* f) {
  (*f)();
  co_return;
}

inline parallel_task<> invoke_each() { co_return; }

template <class First, class... Rest>
parallel_task<> invoke_each(First* first, Rest*... rest) {
  co_await fork(invoke_one<First>, first);
  co_await call([](Rest*... others) { return invoke_each(others...); }, rest...);
  co_await join();
}

}  // namespace detail

/// Calls all of `functions`, at the same time as far as there are carriers, and returns when all have: fork-join
/// without coroutines. Of what they throw one exception is thrown here, and the rest are counted (compute_statistics).
/// Nests. From a virtual thread, which parks; from a compute carrier, which takes part; from a plain OS thread outside
/// of run(), which makes all calls itself. Cancel: functions that have not begun are left out, and std::system_error is
/// thrown.
template <std::invocable... F>
void invoke_all(F&&... functions) {
  fork_join([](std::remove_reference_t<F>*... each) { return detail::invoke_each(each...); }, &functions...);
}

}  // namespace weft
