// Boost.Fiber. Stacks of 16 KB from its pool, fibers of one thread under its round robin, of two under work sharing.

#include <atomic>
#include <boost/fiber/all.hpp>
#include <thread>
#include <vector>

#include "measure.hpp"

namespace weft_bench {
namespace {

namespace fibers = boost::fibers;
using namespace std::chrono_literals;

constexpr std::size_t stack_bytes = std::size_t{16} * 1024;

template <class F>
[[nodiscard]] fibers::fiber start(fibers::pooled_fixedsize_stack& stacks, F f) {
  return fibers::fiber{fibers::launch::post, std::allocator_arg, stacks, std::move(f)};
}

void yield_1000(benchmark::State& state) {
  constexpr std::size_t yielders = 1000, rounds = 10'000;
  fibers::pooled_fixedsize_stack stacks{stack_bytes};
  time_batches(state, yielders * rounds, [&] {
    std::vector<fibers::fiber> all;
    all.reserve(yielders);
    for (std::size_t i = 0; i < yielders; ++i) {
      all.push_back(start(stacks, [] {
        for (std::size_t round = 0; round < rounds; ++round) boost::this_fiber::yield();
      }));
    }
    for (auto& each : all) each.join();
  });
}
BENCHMARK(yield_1000)->UseManualTime()->Iterations(20'000'000);

void spawn_join_one(benchmark::State& state) {
  constexpr std::size_t one_by_one = 200'000;
  fibers::pooled_fixedsize_stack stacks{stack_bytes};
  time_batches(state, one_by_one, [&] {
    for (std::size_t i = 0; i < one_by_one; ++i) start(stacks, [] {}).join();
  });
}
BENCHMARK(spawn_join_one)->UseManualTime()->Iterations(5 * 200'000);

/// A second thread that shares the fibers of the calling one, as long as it lives.
class second_thread {
 public:
  second_thread() {
    fibers::use_scheduling_algorithm<fibers::algo::shared_work>(true);
    thread_ = std::thread{[this] {
      fibers::use_scheduling_algorithm<fibers::algo::shared_work>(true);
      std::unique_lock lock{mutex_};
      over_.wait(lock, [this] { return stop_; });
    }};
  }
  ~second_thread() {
    {
      std::unique_lock lock{mutex_};
      stop_ = true;
    }
    over_.notify_all();
    thread_.join();
  }

 private:
  fibers::mutex mutex_;  // guards stop_
  fibers::condition_variable over_;
  bool stop_ = false;
  std::thread thread_;
};

void spawn_join_batch(benchmark::State& state) {
  fibers::pooled_fixedsize_stack stacks{stack_bytes};
  second_thread other;
  time_batches(state, crowd, [&] {
    std::vector<fibers::fiber> all;
    all.reserve(crowd);
    for (std::size_t i = 0; i < crowd; ++i) all.push_back(start(stacks, [] {}));
    for (auto& each : all) each.join();
  });
}
BENCHMARK(spawn_join_batch)->UseManualTime()->Iterations(crowd);

void parked(benchmark::State& state) {
  for (auto _ : state) {
    fibers::pooled_fixedsize_stack stacks{stack_bytes};
    second_thread other;
    fibers::unbuffered_channel<int> values;
    std::atomic<std::size_t> arrived{0};
    std::vector<fibers::fiber> all;
    const auto before = resident_bytes();
    all.reserve(crowd);
    for (std::size_t i = 0; i < crowd; ++i) {
      all.push_back(start(stacks, [&] {
        arrived.fetch_add(1, std::memory_order_relaxed);  // relaxed: only a count
        int value = 0;
        benchmark::DoNotOptimize(values.pop(value));
      }));
    }
    while (arrived.load(std::memory_order_relaxed) != crowd) boost::this_fiber::sleep_for(1ms);  // relaxed: a count
    boost::this_fiber::sleep_for(50ms);
    report(state, "parked_bytes", static_cast<double>(resident_bytes() - before) / static_cast<double>(crowd));
    const auto seconds = seconds_of([&] {
      values.close();
      for (auto& each : all) each.join();
    });
    state.SetIterationTime(seconds);
    report(state, "wake_join", seconds * 1e9 / static_cast<double>(crowd));
  }
}
BENCHMARK(parked)->UseManualTime()->Iterations(1);

}  // namespace
}  // namespace weft_bench
