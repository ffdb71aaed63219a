// What a mutex and a semaphore cost. The first argument is the number of seats; times are per section.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <mutex>

#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/runtime.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

namespace {

weft::runtime_options with_seats(const benchmark::State& state) {
  return {.seats = static_cast<std::size_t>(state.range(0))};
}

void mutex_uncontended(benchmark::State& state) {
  weft::mutex guard;
  for (auto _ : state) {
    std::scoped_lock lock{guard};
    benchmark::ClobberMemory();
  }
}
BENCHMARK(mutex_uncontended);

void semaphore_uncontended(benchmark::State& state) {
  weft::semaphore permits{1};
  for (auto _ : state) {
    static_cast<void>(permits.acquire());
    permits.release();
  }
}
BENCHMARK(semaphore_uncontended);

/// 1,000 virtual threads take turns with one mutex; `inside` is what each does while it holds it.
template <class F>
void contend(benchmark::State& state, F inside) {
  weft::runtime home{with_seats(state)};
  constexpr int contenders = 1000, rounds = 20;
  while (state.KeepRunningBatch(contenders * rounds)) {
    weft::run_in(home, {}, [&] {
      weft::mutex guard;
      long count = 0;
      weft::scope all;
      for (int i = 0; i < contenders; ++i) {
        all.spawn([&] {
          for (int round = 0; round < rounds; ++round) {
            std::scoped_lock lock{guard};
            ++count;
            inside();
          }
        });
      }
    });
  }
}

/// They yield inside: everybody waits for everybody.
void mutex_contended(benchmark::State& state) {
  contend(state, [] { weft::yield(); });
}
BENCHMARK(mutex_contended)->Arg(1)->Arg(2)->UseRealTime();

/// They do next to nothing inside: only tasks on different seats meet.
void mutex_tiny_section(benchmark::State& state) {
  contend(state, [] {});
}
BENCHMARK(mutex_tiny_section)->Arg(1)->Arg(2)->UseRealTime();

/// Plain OS threads.
void mutex_os_threads(benchmark::State& state) {
  static weft::mutex guard;
  static long count = 0;
  for (auto _ : state) {
    std::scoped_lock lock{guard};
    benchmark::DoNotOptimize(++count);
  }
}
BENCHMARK(mutex_os_threads)->Threads(2)->UseRealTime();

/// Coroutines that yield inside.
void coroutine_mutex_contended(benchmark::State& state) {
  weft::runtime home{with_seats(state)};
  constexpr int contenders = 1000, rounds = 20;
  while (state.KeepRunningBatch(contenders * rounds)) {
    weft::run_in(home, {}, [&] {
      weft::mutex guard;
      long count = 0;
      weft::scope all;
      for (int i = 0; i < contenders; ++i) {
        all.spawn([&]() -> weft::task<> {
          for (int round = 0; round < rounds; ++round) {
            static_cast<void>(co_await guard.async_lock());
            ++count;
            co_await weft::async_yield();
            guard.unlock();
          }
        });
      }
    });
  }
}
BENCHMARK(coroutine_mutex_contended)->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
