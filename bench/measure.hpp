#pragma once

// What the benchmarks with a target share. Each starts weft as a program does, by run(), so with a reactor and the
// watch.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <weft/runtime/run.hpp>

namespace weft_bench {

/// How many tasks make a crowd.
constexpr std::size_t crowd = 1'000'000;

/// The seconds that `work` takes.
template <std::invocable F>
[[nodiscard]] double seconds_of(F work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

/// Runs batches of `batch` items, each batch one call of `work`; the time is that of one item. One batch goes before,
/// unmeasured: stacks and memory are there, as in a program that has run for a while.
template <std::invocable F>
void time_batches(benchmark::State& state, std::size_t batch, F work) {
  work();
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(batch))) {
    state.SetIterationTime(seconds_of(std::ref(work)));
  }
}

/// The same inside weft::run().
template <std::invocable F>
void run_batches(benchmark::State& state, std::size_t seats, std::size_t batch, F work) {
  weft::run({.seats = seats}, [&] { time_batches(state, batch, std::ref(work)); });
}

/// Two OS threads lock a mutex in turns and do next to nothing inside; the time is that of a section.
template <class Mutex>
void contend_on_os_threads(benchmark::State& state) {
  constexpr int sections = 100'000;
  while (state.KeepRunningBatch(2 * sections)) {
    Mutex guard;
    long count = 0;
    auto work = [&] {
      for (int i = 0; i < sections; ++i) {
        std::scoped_lock lock{guard};
        benchmark::DoNotOptimize(++count);
      }
    };
    std::thread other{work};
    work();
    other.join();
  }
}

/// The counter of a benchmark that has no other result than this: bytes, milliseconds.
inline void report(benchmark::State& state, const std::string& name, double value) { state.counters[name] = value; }

/// Of 100 values 99 are at most this. Changes their order.
[[nodiscard]] float percentile_99(std::vector<float>& values);

/// What of this process lies in memory.
[[nodiscard]] std::size_t resident_bytes();

}  // namespace weft_bench
