// Whom unlock() lets in: weft::mutex hands over to the longest waiter; beside it one that lets in whoever comes, with a
// bound on how often a waiter may be overtaken. Sections of no length, of 1 us, and such as yield, on one seat and on
// two: what a section takes, and the longest that anybody waited for one, in us (`worst`).

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>

namespace {

/// A mutex that is free when it is unlocked: whoever comes first has it, a waiter that was woken or somebody new. Who
/// was overtaken `bound` times is let in next.
class barging_mutex {
 public:
  void lock() {
    for (int spins = 0; spins < 32; ++spins) {
      if (try_lock(0)) return;
      weft::base::pause();
    }
    std::uint32_t overtaken = 0, starves = 0;
    waiters_.fetch_add(1);  // seq_cst, all: a waiter is counted before it looks, and unlock() looks after it has freed
    while (!try_lock(starves)) {
      static_cast<void>(freed_.wait());
      if (try_lock(starves)) break;
      if (++overtaken == bound) {
        word_.fetch_add(one_starving);
        starves = one_starving;
      } else if (word_.load() >= one_starving && (word_.load() & held) == 0) {
        freed_.set();  // for somebody who starves
      }
    }
    waiters_.fetch_sub(1);
  }
  void unlock() {
    word_.fetch_and(~held);
    if (waiters_.load() != 0) freed_.set();
  }

 private:
  static constexpr std::uint32_t held = 1, one_starving = 2, bound = 4;

  /// Who does not starve gets it only while nobody does.
  bool try_lock(std::uint32_t starves) {
    auto seen = word_.load();
    while ((seen & held) == 0 && (starves != 0 || seen == 0)) {
      if (word_.compare_exchange_weak(seen, (seen - starves) | held)) return true;
    }
    return false;
  }

  std::atomic<std::uint32_t> word_{0}, waiters_{0};
  weft::auto_reset_event freed_;
};

enum class section { empty, microsecond, yields };

template <section Length>
void work() {
  if constexpr (Length == section::microsecond) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds{1};
    while (std::chrono::steady_clock::now() < until) {}
  }
  if constexpr (Length == section::yields) weft::yield();
}

/// 64 virtual threads, one section after another.
template <class Mutex, section Length, std::size_t Seats>
void contend(benchmark::State& state) {
  weft::runtime home{{.seats = Seats}};
  constexpr int contenders = 64, rounds = 200;
  std::atomic<std::int64_t> worst{0};
  while (state.KeepRunningBatch(contenders * rounds)) {
    weft::run_in(home, {}, [&] {
      Mutex guard;
      weft::scope all;
      for (int i = 0; i < contenders; ++i) {
        all.spawn([&] {
          std::chrono::nanoseconds longest{0};
          for (int round = 0; round < rounds; ++round) {
            const auto began = std::chrono::steady_clock::now();
            std::scoped_lock lock{guard};
            longest = std::max<std::chrono::nanoseconds>(longest, std::chrono::steady_clock::now() - began);
            work<Length>();
          }
          auto seen = worst.load();
          while (seen < longest.count() && !worst.compare_exchange_weak(seen, longest.count())) {}
        });
      }
    });
  }
  state.counters["worst"] = static_cast<double>(worst.load()) / 1000;
}

template <section Length, std::size_t Seats>
void measure(const char* name) {
  const auto seats = "_" + std::to_string(Seats);
  benchmark::RegisterBenchmark(("handed_over_" + std::string{name} + seats).c_str(),
                               &contend<weft::mutex, Length, Seats>)
      ->UseRealTime();
  benchmark::RegisterBenchmark(("barging_" + std::string{name} + seats).c_str(), &contend<barging_mutex, Length, Seats>)
      ->UseRealTime();
}

const bool registered = [] {
  measure<section::empty, 1>("empty");
  measure<section::empty, 2>("empty");
  measure<section::microsecond, 1>("microsecond");
  measure<section::microsecond, 2>("microsecond");
  measure<section::yields, 1>("yields");
  measure<section::yields, 2>("yields");
  return true;
}();

}  // namespace
