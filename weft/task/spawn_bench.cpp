// What it costs to start a task that does nothing and to wait for its end.

#include <weft/task/scope.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "measure.hpp"

namespace weft_bench {
namespace {

weft::task<> nothing() { co_return; }

/// 1,000,000 at once, on two seats.
void spawn_join_batch(benchmark::State& state) {
  run_batches(state, 2, crowd, [] {
    weft::scope all;
    for (std::size_t i = 0; i < crowd; ++i) all.spawn([] {});
  });
}
BENCHMARK(spawn_join_batch)->UseManualTime()->Iterations(3 * crowd);

void coroutine_spawn_join_batch(benchmark::State& state) {
  run_batches(state, 2, crowd, [] {
    weft::scope all;
    for (std::size_t i = 0; i < crowd; ++i) all.spawn(nothing());
  });
}
BENCHMARK(coroutine_spawn_join_batch)->UseManualTime()->Iterations(3 * crowd);

constexpr std::size_t one_by_one = 200'000;

/// One at a time, on one seat, by a virtual thread.
void spawn_join_one(benchmark::State& state) {
  run_batches(state, 1, one_by_one, [] {
    for (std::size_t i = 0; i < one_by_one; ++i) weft::spawn([] {}).join();
  });
}
BENCHMARK(spawn_join_one)->UseManualTime()->Iterations(5 * one_by_one);

weft::task<> spawn_coroutines_one_by_one() {
  for (std::size_t i = 0; i < one_by_one; ++i) {
    auto started = weft::spawn(nothing());
    static_cast<void>(co_await started.async_wait());
    started.join();
  }
}

/// One at a time, on one seat, by a coroutine.
void coroutine_spawn_join_one(benchmark::State& state) {
  run_batches(state, 1, one_by_one, [] { weft::spawn(spawn_coroutines_one_by_one()).join(); });
}
BENCHMARK(coroutine_spawn_join_one)->UseManualTime()->Iterations(5 * one_by_one);

}  // namespace
}  // namespace weft_bench
