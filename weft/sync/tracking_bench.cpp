// What it costs to keep track of tasks: the same waits in a runtime that does and in one that does not. The argument is
// whether it does; times are per section, round trip or task.

#include <benchmark/benchmark.h>

#include <mutex>

#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

namespace {

weft::runtime_options tracked(const benchmark::State& state) {
  return {.seats = 1, .tracking = {.tasks = state.range(0) != 0 ? weft::tracking::on : weft::tracking::off}};
}

void tracking_mutex_uncontended(benchmark::State& state) {
  weft::runtime home{tracked(state)};
  weft::run_in(home, {}, [&] {
    weft::mutex guard;
    for (auto _ : state) {
      std::scoped_lock lock{guard};
      benchmark::ClobberMemory();
    }
  });
}
BENCHMARK(tracking_mutex_uncontended)->Arg(0)->Arg(1)->UseRealTime();

void tracking_channel_ping_pong(benchmark::State& state) {
  weft::runtime home{tracked(state)};
  constexpr int batch = 20'000;
  while (state.KeepRunningBatch(batch)) {
    weft::run_in(home, {}, [] {
      weft::channel<int> there{0}, back{0};
      weft::scope both;
      both.spawn([&] {
        for (int i = 0; i < batch; ++i) static_cast<void>(back.send(*there.recv()));
      });
      for (int i = 0; i < batch; ++i) {
        static_cast<void>(there.send(i));
        benchmark::DoNotOptimize(back.recv());
      }
    });
  }
}
BENCHMARK(tracking_channel_ping_pong)->Arg(0)->Arg(1)->UseRealTime();

void tracking_spawn_and_join(benchmark::State& state) {
  weft::runtime home{tracked(state)};
  constexpr int batch = 10'000;
  while (state.KeepRunningBatch(batch)) {
    weft::run_in(home, {}, [] {
      weft::scope all;
      for (int i = 0; i < batch; ++i) all.spawn([]() -> weft::task<> { co_return; });
    });
  }
}
BENCHMARK(tracking_spawn_and_join)->Arg(0)->Arg(1)->UseRealTime();

}  // namespace
