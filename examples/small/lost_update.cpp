// The lost update: two tasks read a counter, both add one, both write, and one addition is gone. Then its four cures.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <mutex>
#include <numeric>
#include <vector>

#include <weft/weft.hpp>

namespace {

constexpr int tasks = 64;
constexpr int additions = 2'000;
constexpr int expected = tasks * additions;

int report(const char* what, const std::function<int()>& count) {
  auto start = std::chrono::steady_clock::now();
  int counted = count();
  auto took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  std::printf("  %-34s %7d of %d %s %8.1f ms\n", what, counted, expected, counted == expected ? "ok  " : "LOST", took);
  return counted;
}

void in_parallel(const std::function<void(std::size_t)>& body) {
  weft::scope all;
  for (std::size_t i = 0; i < tasks; ++i) all.spawn([&body, i] { body(i); });
}

/// Reads, lets others run as a database or a slow computation would, and writes: what was written meanwhile is lost.
int unprotected() {
  std::atomic<int> balance{0};  // atomic, so that the race is the program's and not the language's
  in_parallel([&](std::size_t) {
    for (int i = 0; i < additions; ++i) {
      int seen = balance.load(std::memory_order_relaxed);  // relaxed: the point is that no order helps here
      if (i % 10 == 0) weft::yield();
      balance.store(seen + 1, std::memory_order_relaxed);  // relaxed: as above
    }
  });
  return balance.load();
}

int with_a_mutex() {
  weft::mutex guard;
  int balance = 0;
  in_parallel([&](std::size_t) {
    for (int i = 0; i < additions; ++i) {
      std::scoped_lock lock{guard};
      int seen = balance;
      if (i % 10 == 0) weft::yield();
      balance = seen + 1;
    }
  });
  return balance;
}

int with_an_atomic() {
  std::atomic<int> balance{0};
  in_parallel([&](std::size_t) {
    for (int i = 0; i < additions; ++i)
      balance.fetch_add(1, std::memory_order_relaxed);  // relaxed: a sum needs no order
  });
  return balance.load();
}

/// One task owns the number; the others tell it what to add.
int with_a_channel() {
  weft::channel<int> deposits{128};
  auto owner = weft::spawn([&] {
    int balance = 0;
    for (int amount : deposits) balance += amount;
    return balance;
  });
  in_parallel([&](std::size_t) {
    for (int i = 0; i < additions; ++i) {
      if (!deposits.send(1)) return;
    }
  });
  deposits.close();
  return owner.join();
}

/// Nothing is shared: each task counts its own, and the sum is made when all are done.
int with_nothing_shared() {
  std::vector<int> own(tasks);
  in_parallel([&](std::size_t task) {
    int balance = 0;
    for (int i = 0; i < additions; ++i) ++balance;
    own[task] = balance;
  });
  return std::accumulate(own.begin(), own.end(), 0);
}

}  // namespace

int main() {
  return weft::run([] {
    std::printf("%d virtual threads add 1 to a counter %d times each:\n", tasks, additions);
    int lost = report("read, wait, write", unprotected);
    bool cured = report("a mutex", with_a_mutex) == expected;
    cured &= report("an atomic", with_an_atomic) == expected;
    cured &= report("a channel and one owner", with_a_channel) == expected;
    cured &= report("nothing shared", with_nothing_shared) == expected;
    std::printf("%d updates were lost without protection; %s\n", expected - lost,
                cured ? "none with any of the four cures." : "A CURE FAILED.");
    return cured && lost < expected ? 0 : 1;
  });
}
