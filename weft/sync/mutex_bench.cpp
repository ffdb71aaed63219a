// What a mutex and a semaphore cost. A number at the end is that of the seats; times are per section.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <mutex>

#include <weft/runtime/runtime.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "measure.hpp"

namespace {

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
template <std::size_t Seats, class F>
void contend(benchmark::State& state, F inside) {
  weft::runtime home{{.seats = Seats}};
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
template <std::size_t Seats>
void mutex_contended(benchmark::State& state) {
  contend<Seats>(state, [] { weft::yield(); });
}
BENCHMARK(mutex_contended<1>)->Name("mutex_contended_1")->UseRealTime();
BENCHMARK(mutex_contended<2>)->Name("mutex_contended_2")->UseRealTime();

/// They do next to nothing inside: only tasks on different seats meet.
template <std::size_t Seats>
void mutex_tiny_section(benchmark::State& state) {
  contend<Seats>(state, [] {});
}
BENCHMARK(mutex_tiny_section<1>)->Name("mutex_tiny_section_1")->UseRealTime();
BENCHMARK(mutex_tiny_section<2>)->Name("mutex_tiny_section_2")->UseRealTime();

void mutex_os_threads(benchmark::State& state) { weft_bench::contend_on_os_threads<weft::mutex>(state); }
BENCHMARK(mutex_os_threads)->UseRealTime();

/// Coroutines that yield inside.
template <std::size_t Seats>
void coroutine_mutex_contended(benchmark::State& state) {
  weft::runtime home{{.seats = Seats}};
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
BENCHMARK(coroutine_mutex_contended<1>)->Name("coroutine_mutex_contended_1")->UseRealTime();
BENCHMARK(coroutine_mutex_contended<2>)->Name("coroutine_mutex_contended_2")->UseRealTime();

}  // namespace
