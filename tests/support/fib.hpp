#pragma once

#include <weft/compute/fork_join.hpp>

namespace weft::testing {

/// By two children, the one forked and the other called.
inline parallel_task<int> fib(int n) {
  if (n < 2) co_return n;
  int a = 0;
  co_await fork(a, fib, n - 1);
  int b = co_await call(fib, n - 2);
  co_await join();
  co_return a + b;
}

}  // namespace weft::testing
