// 1,000,000 tasks, and 10,000,000 coroutines, that wait for a value of one channel: the memory that each keeps,
// awake and hibernated, and what it costs to wake and join them all. Two seats.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <weft/base/check.hpp>
#include <weft/base/error.hpp>
#include <weft/base/result.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "measure.hpp"

namespace weft_bench {
namespace {

using namespace std::chrono_literals;

/// Nothing is put away unless a benchmark says so.
const weft::run_options awake{.seats = 2, .hibernate_after = weft::no_hibernation};

struct waiting_room {
  explicit waiting_room(std::size_t count) : woken(count) {}

  weft::channel<int> values{0};
  std::atomic<std::size_t> arrived{0};
  std::vector<std::uint8_t> woken;  // by number: the wait ended as it should

  void arrive() noexcept {
    arrived.fetch_add(1, std::memory_order_relaxed);  // relaxed: only a count
  }
  void leave(std::size_t number, const weft::result<int>& received) noexcept {
    woken[number] = !received && received.error() == weft::errc::closed;
  }
  /// Until everybody has arrived, and time for the last to park.
  void wait_for_all() {
    // relaxed: only a count
    while (arrived.load(std::memory_order_relaxed) != woken.size()) static_cast<void>(weft::sleep(1ms));
    static_cast<void>(weft::sleep(50ms));
  }
};

/// Starts waiter `number` of the room.
using spawn_waiter = void (*)(weft::scope& all, waiting_room& room, std::size_t number);

void spawn_thread(weft::scope& all, waiting_room& room, std::size_t number) {
  all.spawn([&room, number] {
    room.arrive();
    room.leave(number, room.values.recv());
  });
}

weft::task<> wait(waiting_room& room, std::size_t number) {
  room.arrive();
  room.leave(number, co_await room.values.async_recv());
}

void spawn_coroutine(weft::scope& all, waiting_room& room, std::size_t number) { all.spawn(wait(room, number)); }

struct measured_crowd {
  double bytes_each;
  double seconds_to_put_away;
  double seconds_to_wake_and_join;
};

enum class stacks : bool { stay, are_put_away };

[[nodiscard]] measured_crowd measure_parked(std::size_t count, spawn_waiter spawn_one, stacks what = stacks::stay) {
  measured_crowd measured{};
  weft::run(awake, [&] {
    waiting_room room{count};
    weft::scope all;
    const auto before = resident_bytes();
    for (std::size_t i = 0; i < count; ++i) spawn_one(all, room, i);
    room.wait_for_all();
    if (what == stacks::are_put_away) {
      std::size_t put_away = 0;
      measured.seconds_to_put_away = seconds_of([&] { put_away = weft::runtime::current()->hibernate_parked(); });
      WEFT_CHECK(put_away == count, "a parked task kept its stack");
    }
    measured.bytes_each = static_cast<double>(resident_bytes() - before) / static_cast<double>(count);
    measured.seconds_to_wake_and_join = seconds_of([&] {
      room.values.close();
      all.join();
    });
    WEFT_CHECK(std::ranges::count(room.woken, 1) == std::ssize(room.woken), "somebody woke without a reason");
  });
  return measured;
}

void measure(benchmark::State& state, const std::string& kind, spawn_waiter spawn_one) {
  for (auto _ : state) {
    const auto measured = measure_parked(crowd, spawn_one);
    state.SetIterationTime(measured.seconds_to_wake_and_join);
    report(state, kind + "parked_bytes", measured.bytes_each);
    report(state, kind + "wake_join", measured.seconds_to_wake_and_join * 1e9 / static_cast<double>(crowd));
  }
}

void parked(benchmark::State& state) { measure(state, "", spawn_thread); }
BENCHMARK(parked)->UseManualTime()->Iterations(1);

void hibernated(benchmark::State& state) {
  for (auto _ : state) {
    const auto measured = measure_parked(crowd, spawn_thread, stacks::are_put_away);
    const auto each = 1e9 / static_cast<double>(crowd);
    state.SetIterationTime(measured.seconds_to_wake_and_join);
    report(state, "hibernated_bytes", measured.bytes_each);
    report(state, "hibernate", measured.seconds_to_put_away * each);
    report(state, "hibernated_wake_join", measured.seconds_to_wake_and_join * each);
  }
}
BENCHMARK(hibernated)->UseManualTime()->Iterations(1);

void coroutine_parked(benchmark::State& state) { measure(state, "coroutine_", spawn_coroutine); }
BENCHMARK(coroutine_parked)->UseManualTime()->Iterations(1);

void coroutine_parked_10m(benchmark::State& state) {
  for (auto _ : state) {
    const auto measured = measure_parked(10 * crowd, spawn_coroutine);
    state.SetIterationTime(measured.seconds_to_wake_and_join);
    report(state, "coroutine_parked_10m_bytes", measured.bytes_each);
  }
}
BENCHMARK(coroutine_parked_10m)->UseManualTime()->Iterations(1);

}  // namespace
}  // namespace weft_bench
