#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <weft/parallel/detail/splitting.hpp>

namespace weft {

namespace detail {

template <class F>
parallel_task<> invoke_one(F* f) {
  if (!is_stopped()) attempt(*f);
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
/// without coroutines. Runs, throws, nests and is cancelled as the loops are (parallel_for.hpp): functions that have
/// not begun are left out.
template <std::invocable... F>
void invoke_all(F&&... functions) {
  fork_join([](std::remove_reference_t<F>*... each) { return detail::invoke_each(each...); }, &functions...);
}

}  // namespace weft
