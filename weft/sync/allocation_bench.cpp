// That waiting allocates nothing: operator new is counted while tasks wait in every way.

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>

#include <weft/combine/select.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "measure.hpp"

namespace {

constinit std::atomic<std::size_t> allocations{0};

}  // namespace

void* operator new(std::size_t bytes) {
  // relaxed: a number, read when the tasks that count have ended
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (auto* block = std::malloc(bytes)) return block;
  throw std::bad_alloc{};
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace weft_bench {
namespace {

constexpr int rounds = 10'000, waits_a_round = 12;

struct meeting {
  weft::channel<int> there{0}, back{0};
  weft::semaphore permits{0};
  weft::mutex guard;
  weft::condition_variable changed;
  int turn = 0;
};

/// A virtual thread and a coroutine that wait for each other, in turns, in every way.
void play_as_virtual_thread(meeting& both) {
  for (int i = 0; i < rounds; ++i) {
    static_cast<void>(both.there.send(i));
    static_cast<void>(both.back.recv());
    static_cast<void>(weft::select(both.back.async_recv(), weft::async_sleep(std::chrono::hours{1})));
    static_cast<void>(both.back.recv_for(std::chrono::hours{1}));
    static_cast<void>(both.permits.acquire());
    std::unique_lock lock{both.guard};
    static_cast<void>(both.changed.wait(lock, [&] { return both.turn > i; }));
  }
}
weft::task<> play_as_coroutine(meeting& both) {
  for (int i = 0; i < rounds; ++i) {
    static_cast<void>(co_await both.there.async_recv());
    for (int value = 0; value < 3; ++value) static_cast<void>(co_await both.back.async_send(value));
    both.permits.release();
    static_cast<void>(co_await both.guard.async_lock());
    std::unique_lock lock{both.guard, std::adopt_lock};
    both.turn = i + 1;
    both.changed.notify_all();
    lock.unlock();
    co_await weft::async_yield();
  }
}

void wait_allocations(benchmark::State& state) {
  for (auto _ : state) {
    weft::run({.seats = 1}, [&] {
      std::size_t before = 0;
      for (int warm = 0; warm < 2; ++warm) {
        meeting both;
        weft::scope all;
        // relaxed: as above
        before = allocations.load(std::memory_order_relaxed);
        all.spawn([&] { play_as_virtual_thread(both); });
        all.spawn(play_as_coroutine(both));
        all.join();
      }
      // Those of the two spawns are not waits: below one in a thousand of these is none.
      auto made = allocations.load(std::memory_order_relaxed) - before;
      report(state, "wait_allocations", static_cast<double>(made / (rounds * waits_a_round / 1000)) / 1000);
    });
  }
}
BENCHMARK(wait_allocations)->Iterations(1);

}  // namespace
}  // namespace weft_bench
