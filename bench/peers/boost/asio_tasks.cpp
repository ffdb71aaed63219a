// Boost.Asio's coroutines, on one io_context that one or two threads run. To join all is to run until no work is left.

#include <atomic>
#include <boost/asio.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include "measure.hpp"

namespace weft_bench {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::awaitable;
using asio::use_awaitable;

/// Runs on the calling thread and a second one until no work is left.
void run_on_two_threads(asio::io_context& context) {
  context.restart();
  std::jthread second{[&context] { context.run(); }};
  context.run();
}

awaitable<void> nothing() { co_return; }

awaitable<void> yield_many_times(std::size_t rounds) {
  for (std::size_t round = 0; round < rounds; ++round) co_await asio::post(use_awaitable);
}

void coroutine_yield_1000(benchmark::State& state) {
  constexpr std::size_t yielders = 1000, rounds = 10'000;
  asio::io_context context{1};
  time_batches(state, yielders * rounds, [&context] {
    for (std::size_t i = 0; i < yielders; ++i) co_spawn(context, yield_many_times(rounds), asio::detached);
    context.restart();
    context.run();
  });
}
BENCHMARK(coroutine_yield_1000)->UseManualTime()->Iterations(20'000'000);

awaitable<void> spawn_a_crowd(asio::io_context& context) {
  for (std::size_t i = 0; i < crowd; ++i) co_spawn(context, nothing(), asio::detached);
  co_return;
}

void coroutine_spawn_join_batch(benchmark::State& state) {
  asio::io_context context{2};
  time_batches(state, crowd, [&context] {
    co_spawn(context, spawn_a_crowd(context), asio::detached);
    run_on_two_threads(context);
  });
}
BENCHMARK(coroutine_spawn_join_batch)->UseManualTime()->Iterations(3 * crowd);

constexpr std::size_t one_by_one = 200'000;

awaitable<void> spawn_one_by_one(asio::io_context& context) {
  for (std::size_t i = 0; i < one_by_one; ++i) co_await co_spawn(context, nothing(), use_awaitable);
}

void coroutine_spawn_join_one(benchmark::State& state) {
  asio::io_context context{1};
  time_batches(state, one_by_one, [&context] {
    co_spawn(context, spawn_one_by_one(context), asio::detached);
    context.restart();
    context.run();
  });
}
BENCHMARK(coroutine_spawn_join_one)->UseManualTime()->Iterations(5 * one_by_one);

using numbers = asio::experimental::concurrent_channel<void(boost::system::error_code, int)>;

awaitable<void> wait(numbers& values, std::atomic<std::size_t>& arrived) {
  arrived.fetch_add(1, std::memory_order_relaxed);  // relaxed: only a count
  auto [error, value] = co_await values.async_receive(asio::as_tuple(use_awaitable));
  benchmark::DoNotOptimize(value);
}

/// Spawns the crowd, looks at the memory when all wait, and wakes them; `woke_at` is when.
awaitable<void> park_a_crowd(asio::io_context& context, numbers& values, std::atomic<std::size_t>& arrived,
                             double& bytes_each, std::chrono::steady_clock::time_point& woke_at) {
  const auto before = resident_bytes();
  for (std::size_t i = 0; i < crowd; ++i) co_spawn(context, wait(values, arrived), asio::detached);
  asio::steady_timer pause{context};
  while (arrived.load(std::memory_order_relaxed) != crowd) {  // relaxed: only a count
    pause.expires_after(1ms);
    co_await pause.async_wait(use_awaitable);
  }
  pause.expires_after(50ms);
  co_await pause.async_wait(use_awaitable);
  bytes_each = static_cast<double>(resident_bytes() - before) / static_cast<double>(crowd);
  woke_at = std::chrono::steady_clock::now();
  values.close();
}

void coroutine_parked(benchmark::State& state) {
  for (auto _ : state) {
    asio::io_context context{2};
    numbers values{context};
    std::atomic<std::size_t> arrived{0};
    double bytes_each = 0;
    std::chrono::steady_clock::time_point woke_at;
    co_spawn(context, park_a_crowd(context, values, arrived, bytes_each, woke_at), asio::detached);
    run_on_two_threads(context);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - woke_at;
    state.SetIterationTime(seconds.count());
    report(state, "coroutine_parked_bytes", bytes_each);
    report(state, "coroutine_wake_join", seconds.count() * 1e9 / static_cast<double>(crowd));
  }
}
BENCHMARK(coroutine_parked)->UseManualTime()->Iterations(1);

awaitable<void> sleep_once(asio::io_context& context, float& late) {
  const auto began = std::chrono::steady_clock::now();
  asio::steady_timer timer{context, 1s};
  co_await timer.async_wait(use_awaitable);
  late = std::chrono::duration<float, std::milli>(std::chrono::steady_clock::now() - began - 1s).count();
}

awaitable<void> spawn_sleepers(asio::io_context& context, std::vector<float>& late) {
  for (auto& each : late) co_spawn(context, sleep_once(context, each), asio::detached);
  co_return;
}

void coroutine_sleepers(benchmark::State& state) {
  for (auto _ : state) {
    asio::io_context context{2};
    std::vector<float> late(crowd);
    const auto seconds = seconds_of([&] {
      co_spawn(context, spawn_sleepers(context, late), asio::detached);
      run_on_two_threads(context);
    });
    state.SetIterationTime(seconds);
    report(state, "coroutine_sleepers_p99_ms", percentile_99(late));
    report(state, "coroutine_sleepers_wall_s", seconds);
  }
}
BENCHMARK(coroutine_sleepers)->UseManualTime()->Iterations(1);

}  // namespace
}  // namespace weft_bench
