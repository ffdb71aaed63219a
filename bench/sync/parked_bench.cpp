// 1,000,000 tasks that wait for a value of one channel: the memory that each keeps, and what it costs to wake and join
// them all. Two seats.

#include <atomic>
#include <string>

#include <weft/sync/channel.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "measure.hpp"

namespace weft_bench {
namespace {

using namespace std::chrono_literals;

struct waiting_room {
  weft::channel<int> values{0};
  std::atomic<std::size_t> arrived{0};

  void arrive() noexcept {
    arrived.fetch_add(1, std::memory_order_relaxed);  // relaxed: only a count
  }
  /// Until everybody has arrived, and time for the last to park.
  void wait_for(std::size_t count) {
    while (arrived.load(std::memory_order_relaxed) != count) static_cast<void>(weft::sleep(1ms));  // relaxed: a count
    static_cast<void>(weft::sleep(50ms));
  }
};

/// A virtual thread.
void spawn_waiter(weft::scope& all, waiting_room& room) {
  all.spawn([&room] {
    room.arrive();
    benchmark::DoNotOptimize(room.values.recv());
  });
}

weft::task<> wait(waiting_room& room) {
  room.arrive();
  benchmark::DoNotOptimize(co_await room.values.async_recv());
}

void spawn_coroutine_waiter(weft::scope& all, waiting_room& room) { all.spawn(wait(room)); }

struct measured_crowd {
  double bytes_each;
  double seconds_to_wake_and_join;
};

[[nodiscard]] measured_crowd measure_parked(void (*spawn_one)(weft::scope&, waiting_room&)) {
  measured_crowd measured{};
  weft::run({.seats = 2}, [&] {
    waiting_room room;
    weft::scope all;
    const auto before = resident_bytes();
    for (std::size_t i = 0; i < crowd; ++i) spawn_one(all, room);
    room.wait_for(crowd);
    measured.bytes_each = static_cast<double>(resident_bytes() - before) / static_cast<double>(crowd);
    measured.seconds_to_wake_and_join = seconds_of([&] {
      room.values.close();
      all.join();
    });
  });
  return measured;
}

void measure(benchmark::State& state, const std::string& kind, void (*spawn_one)(weft::scope&, waiting_room&)) {
  for (auto _ : state) {
    const auto measured = measure_parked(spawn_one);
    state.SetIterationTime(measured.seconds_to_wake_and_join);
    report(state, kind + "parked_bytes", measured.bytes_each);
    report(state, kind + "wake_join", measured.seconds_to_wake_and_join * 1e9 / static_cast<double>(crowd));
  }
}

void parked(benchmark::State& state) { measure(state, "", spawn_waiter); }
BENCHMARK(parked)->UseManualTime()->Iterations(1);

void coroutine_parked(benchmark::State& state) { measure(state, "coroutine_", spawn_coroutine_waiter); }
BENCHMARK(coroutine_parked)->UseManualTime()->Iterations(1);

}  // namespace
}  // namespace weft_bench
