// 1,000,000 tasks that sleep for a second each, on two seats: how late they wake, and how long the whole takes.

#include <string>
#include <vector>

#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "measure.hpp"

namespace weft_bench {
namespace {

using steady = std::chrono::steady_clock;
constexpr std::chrono::seconds nap{1};

[[nodiscard]] float milliseconds_late(steady::time_point began) {
  return std::chrono::duration<float, std::milli>(steady::now() - began - nap).count();
}

/// `spawn_sleeper(scope, late)` starts a task that sleeps and writes its lateness to `late`.
template <class F>
void measure_sleepers(benchmark::State& state, const std::string& kind, F spawn_sleeper) {
  for (auto _ : state) {
    std::vector<float> late(crowd);
    double took = 0;
    weft::run({.seats = 2}, [&] {
      took = seconds_of([&] {
        weft::scope all;
        for (auto& each : late) spawn_sleeper(all, each);
      });
    });
    state.SetIterationTime(took);
    report(state, kind + "sleepers_p99_ms", percentile_99(late));
    report(state, kind + "sleepers_wall_s", took);
  }
}

void sleepers(benchmark::State& state) {
  measure_sleepers(state, "", [](weft::scope& all, float& late) {
    all.spawn([&late] {
      const auto began = steady::now();
      static_cast<void>(weft::sleep(nap));
      late = milliseconds_late(began);
    });
  });
}
BENCHMARK(sleepers)->UseManualTime()->Iterations(1);

weft::task<> sleep_once(float& late) {
  const auto began = steady::now();
  static_cast<void>(co_await weft::async_sleep(nap));
  late = milliseconds_late(began);
}

void coroutine_sleepers(benchmark::State& state) {
  measure_sleepers(state, "coroutine_", [](weft::scope& all, float& late) { all.spawn(sleep_once(late)); });
}
BENCHMARK(coroutine_sleepers)->UseManualTime()->Iterations(1);

}  // namespace
}  // namespace weft_bench
