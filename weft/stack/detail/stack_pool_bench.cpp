// What a stack costs: from the pool, and new, with its guard and its first page.

#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include <weft/stack/detail/stack_pool.hpp>

namespace {

namespace stack = weft::stack;

constexpr std::size_t stack_bytes = 256 * 1024;

void allocate_and_release(benchmark::State& state) {
  stack::stack_pool pool{stack_bytes};
  for (auto _ : state) pool.release(pool.allocate().value());
}
BENCHMARK(allocate_and_release);

void new_stack(benchmark::State& state, stack::guard_method guard, bool touch) {
  constexpr std::size_t batch = 10'000;
  std::vector<stack::slot*> stacks(batch);
  while (state.KeepRunningBatch(batch)) {
    auto pool = std::make_unique<stack::stack_pool>(stack_bytes, guard);
    for (auto& stack : stacks) {
      stack = pool->allocate().value();
      if (touch) stack->top()[-1] = std::byte{1};
    }
    state.PauseTiming();
    for (auto* stack : stacks) pool->release(stack);
    pool.reset();
    state.ResumeTiming();
  }
}
BENCHMARK_CAPTURE(new_stack, best_guard, stack::guard_method::best, false);
BENCHMARK_CAPTURE(new_stack, best_guard_touched, stack::guard_method::best, true);
BENCHMARK_CAPTURE(new_stack, split_protection_touched, stack::guard_method::split_protection, true);

}  // namespace
