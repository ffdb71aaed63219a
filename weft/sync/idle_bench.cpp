// What an idle program uses of the processor: 100,000 virtual threads and as many coroutines are parked, and 10 s pass.
// User and system time of the whole process, in microseconds, and how often a seat woke.

#include <sys/resource.h>

#include <chrono>
#include <thread>

#include <weft/runtime/runtime.hpp>
#include <weft/sync/event.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "measure.hpp"

namespace weft_bench {
namespace {

using namespace std::chrono_literals;

[[nodiscard]] double used_microseconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

void idle_100000(benchmark::State& state) {
  for (auto _ : state) {
    weft::run({.seats = 2, .hibernate_after = 100ms}, [&] {
      weft::event let_go;
      weft::scope parked;
      for (int i = 0; i < 100'000; ++i) {
        parked.spawn([&] { static_cast<void>(let_go.wait()); });
        parked.spawn([&]() -> weft::task<> { static_cast<void>(co_await let_go.async_wait()); });
      }
      auto& home = *weft::runtime::current();
      weft::blocking([&] {  // in which no timer of weft's is armed, and no task runs
        // Until the stacks are put away, where they can be, and the watchdog sleeps.
        do {
          std::this_thread::sleep_for(1s);
        } while (home.hibernation().obstacle.empty() && !home.hibernation().asleep);
        std::this_thread::sleep_for(2s);
        auto woken = home.statistics().idle_waits;
        auto used = used_microseconds();
        std::this_thread::sleep_for(10s);
        report(state, "used_us", used_microseconds() - used);
        report(state, "woken", static_cast<double>(home.statistics().idle_waits - woken));
      });
      let_go.set();
    });
  }
}
BENCHMARK(idle_100000)->Iterations(1)->Unit(benchmark::kSecond);

}  // namespace
}  // namespace weft_bench
