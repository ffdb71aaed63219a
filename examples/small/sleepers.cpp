// 100,000 virtual threads asleep at once: what each costs, and how late they wake.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include <weft/weft.hpp>

namespace {

using namespace std::chrono_literals;

/// Resident memory of this process.
long resident_bytes() {
  long kibibytes = 0;
  if (auto* status = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, status)) {
      if (std::strncmp(line, "VmRSS:", 6) == 0) std::sscanf(line + 6, "%ld", &kibibytes);
    }
    std::fclose(status);
  }
  return kibibytes * 1024;
}

}  // namespace

int main() {
  return weft::run([] {
    constexpr int count = 100'000;
    std::vector<double> late(count);
    std::atomic<int> woken{0};
    auto before = resident_bytes();
    auto start = weft::now();
    auto due = start + 2s;
    long during = 0;
    {
      weft::scope sleepers;
      for (int i = 0; i < count; ++i) {
        sleepers.spawn([&, i] {
          if (!weft::sleep_until(due)) return;
          late[static_cast<std::size_t>(i)] = std::chrono::duration<double, std::milli>(weft::now() - due).count();
          woken.fetch_add(1, std::memory_order_relaxed);  // relaxed: read after all have been joined
        });
      }
      auto spawned = std::chrono::duration<double, std::micro>(weft::now() - start).count();
      weft::yield();
      during = resident_bytes();
      std::printf("%d virtual threads spawned in %.0f ms (%.2f us each)\n", count, spawned / 1000, spawned / count);
    }
    auto wall = std::chrono::duration<double>(weft::now() - start).count();
    std::sort(late.begin(), late.end());
    std::printf("asleep: %ld bytes of memory each\n", (during - before) / count);
    std::printf("woken after 2 s: late by p50 %.1f ms, p99 %.1f ms, most %.1f ms; all over after %.2f s\n",
                late[count / 2], late[count * 99 / 100], late.back(), wall);
    return woken == count ? 0 : 1;
  });
}
