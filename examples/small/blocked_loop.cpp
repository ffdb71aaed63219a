// Blocking the event loop: a ticker wants to run every millisecond while somebody computes for 200 ms, first on the
// loop itself, as on any event loop, then through weft::compute().

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <weft/weft.hpp>

namespace {

using namespace std::chrono_literals;
using milliseconds = std::chrono::duration<double, std::milli>;

std::uint64_t burn(std::chrono::nanoseconds time) {
  std::uint64_t state = 1;
  auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 1000; ++i) state = state * 6364136223846793005u + 1442695040888963407u;
  }
  return state;
}

/// How late each tick came while `work` was done.
template <class Work>
std::vector<double> lateness_during(Work work) {
  std::vector<double> late;
  std::atomic<bool> over{false};
  weft::scope both;
  both.spawn({.name = "ticker"}, [&] {
    auto due = weft::now();
    while (!over) {
      due += 1ms;
      if (!weft::sleep_until(due)) return;
      late.push_back(milliseconds(weft::now() - due).count());
      due = std::max(due, weft::now() - 1ms);  // what was missed is not made up for
    }
  });
  both.spawn({.name = "worker"}, [&] {
    static_cast<void>(weft::sleep(20ms));
    work();
    over = true;
  });
  both.join();
  std::sort(late.begin(), late.end());
  return late;
}

void print(const char* what, const std::vector<double>& late) {
  if (late.empty()) return;
  std::printf("  %-28s %4zu ticks, late by p50 %7.2f ms   p99 %7.2f ms   most %7.2f ms\n", what, late.size(),
              late[late.size() / 2], late[late.size() * 99 / 100], late.back());
}

}  // namespace

int main() {
  // One seat: one event loop.
  return weft::run({.seats = 1}, [] {
    std::printf("A ticker of 1 ms beside 200 ms of computing, on one event loop:\n");
    std::uint64_t result = 0;
    print("computed on the loop", lateness_during([&] { result = burn(200ms); }));
    print("computed by weft::compute()", lateness_during([&] { result += weft::compute([] { return burn(200ms); }); }));
    return result != 0 ? 0 : 1;
  });
}
