// What it costs to let others run.

#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "measure.hpp"

namespace weft_bench {
namespace {

constexpr std::size_t yielders = 1000;
constexpr std::size_t rounds = 10'000;

/// 1,000 virtual threads on one seat, each of which yields again and again.
void yield_1000(benchmark::State& state) {
  run_batches(state, 1, yielders * rounds, [] {
    weft::scope all;
    for (std::size_t i = 0; i < yielders; ++i) {
      all.spawn([] {
        for (std::size_t round = 0; round < rounds; ++round) weft::yield();
      });
    }
  });
}
BENCHMARK(yield_1000)->UseManualTime()->Iterations(2 * yielders * rounds);

weft::task<> yield_many_times() {
  for (std::size_t round = 0; round < rounds; ++round) co_await weft::async_yield();
}

/// The same with coroutines.
void coroutine_yield_1000(benchmark::State& state) {
  run_batches(state, 1, yielders * rounds, [] {
    weft::scope all;
    for (std::size_t i = 0; i < yielders; ++i) all.spawn(yield_many_times());
  });
}
BENCHMARK(coroutine_yield_1000)->UseManualTime()->Iterations(2 * yielders * rounds);

}  // namespace
}  // namespace weft_bench
