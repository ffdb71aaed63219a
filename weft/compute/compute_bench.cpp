// What compute() costs where there is nothing to compute.

#include <weft/compute/compute.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "measure.hpp"

namespace weft_bench {
namespace {

constexpr std::size_t calls = 200'000;
constexpr std::size_t callers = 64;

/// One call at a time, there and back: two OS threads take turns.
void compute_one(benchmark::State& state) {
  run_batches(state, 1, calls, [] {
    for (std::size_t i = 0; i < calls; ++i) weft::compute([] {});
  });
}
BENCHMARK(compute_one)->UseManualTime()->Iterations(2 * calls);

/// 64 virtual threads that call it, on one seat and as many carriers as cores.
void compute_crowd(benchmark::State& state) {
  run_batches(state, 1, calls, [] {
    weft::scope all;
    for (std::size_t i = 0; i < callers; ++i) {
      all.spawn([] {
        for (std::size_t k = 0; k < calls / callers; ++k) weft::compute([] {});
      });
    }
  });
}
BENCHMARK(compute_crowd)->UseManualTime()->Iterations(5 * calls);

weft::task<> call_many_times() {
  for (std::size_t k = 0; k < calls / callers; ++k) co_await weft::async_compute([] {});
}

/// 64 coroutines, whose functions run on stacks of their own.
void coroutine_compute_crowd(benchmark::State& state) {
  run_batches(state, 1, calls, [] {
    weft::scope all;
    for (std::size_t i = 0; i < callers; ++i) all.spawn(call_many_times());
  });
}
BENCHMARK(coroutine_compute_crowd)->UseManualTime()->Iterations(5 * calls);

/// A call from inside another.
void compute_nested(benchmark::State& state) {
  run_batches(state, 1, calls, [] {
    weft::compute([] {
      for (std::size_t i = 0; i < calls; ++i) weft::compute([] {});
    });
  });
}
BENCHMARK(compute_nested)->UseManualTime()->Iterations(5 * calls);

}  // namespace
}  // namespace weft_bench
