#pragma once

#include <cstddef>
#include <type_traits>

namespace weft {

namespace detail {

/// Calls `body(context, begin, end)` for parts that together are [first, last), on all compute carriers.
void run_parallel(std::size_t first, std::size_t last, void (*body)(void* context, std::size_t begin, std::size_t end),
                  void* context);

}  // namespace detail

/// Calls `body(i)` for every i in [first, last), on all compute carriers at once, and returns when all calls have.
/// An exception stops the calls that have not begun, and is thrown here; of several, one. In which order the calls are
/// made is not promised. A compute carrier that calls it takes part; a plain OS thread makes all calls itself.
/// Parks. Cancel: runs to its end.
template <class F>
void parallel_for(std::size_t first, std::size_t last, F&& body) {
  using function = std::remove_reference_t<F>;
  auto part = [](void* context, std::size_t begin, std::size_t end) {
    auto& call = *static_cast<function*>(context);
    for (auto i = begin; i != end; ++i) call(i);
  };
  detail::run_parallel(first, last, part, const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace weft
