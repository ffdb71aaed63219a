// Many flows, handed from OS thread to OS thread at random, that pause in the places where it is hardest.

#include <atomic>
#include <cerrno>
#include <cfenv>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weft/base/random.hpp>
#include <weft/stack/detail/instrumentation.hpp>

#include "tests/support/flow.hpp"

namespace weft::stack {
namespace {

thread_local int thread_number = -1;

// What belongs to the OS thread is reached through functions that are never inlined and never merged.
[[gnu::noinline]] int this_thread_number() {
  asm volatile("");
  return thread_number;
}
[[gnu::noinline]] void set_errno(int value) {
  asm volatile("");
  errno = value;
}
[[gnu::noinline]] int get_errno() {
  asm volatile("");
  return errno;
}

/// One of the flows under test: what it must find unchanged after every pause, and who resumes it.
struct traveller {
  traveller(stack_pool& pool, std::uint64_t seed)
      : random{seed},
        self{pool, [this](flow&) { travel(); }},
        rounding(random.below(2) == 0 ? FE_UPWARD : FE_DOWNWARD) {}

  base::random random;
  flow self;
  const int rounding;
  int resumed_by = -1;
  std::atomic<int>* wrong = nullptr;

  void expect(bool holds) {
    if (!holds) ++*wrong;
  }

  void pause(int uncaught) {
    self.pause();
    expect(this_thread_number() == resumed_by);
    expect(get_errno() == 1000 + resumed_by);
    expect(std::uncaught_exceptions() == uncaught);
    expect(std::fegetround() == rounding);
  }

  struct pauses_when_destroyed {
    traveller& owner;
    ~pauses_when_destroyed() { owner.pause(1); }
  };

  void in_a_catch_block(int depth) {
    const std::string text = "at depth " + std::to_string(depth);
    try {
      throw std::runtime_error{text};
    } catch (const std::runtime_error& error) {
      pause(0);
      if (depth < 3 && random.below(2) == 0) in_a_catch_block(depth + 1);
      expect(text == error.what());
      try {
        throw;
      } catch (const std::exception& again) {
        pause(0);
        expect(text == again.what());
      }
    }
  }

  void while_unwinding() {
    try {
      pauses_when_destroyed pauses{*this};
      throw 1;
    } catch (int value) {
      expect(value == 1);
    }
  }

  void travel() {
    std::fesetround(rounding);
    for (int step = 0; step < 20; ++step) {
      switch (random.below(3)) {
        case 0: pause(0); break;
        case 1: in_a_catch_block(0); break;
        case 2: while_unwinding(); break;
      }
    }
    std::fesetround(FE_TONEAREST);
  }
};

TEST(flow_stress, flows_find_their_state_whichever_os_thread_resumes_them) {
  const char* wanted = std::getenv("WEFT_TEST_SEED");
  const std::uint64_t seed = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(seed));

  constexpr int travellers = instrumented ? 200 : 1000;
  stack_pool pool{64 * 1024};
  std::atomic<int> wrong = 0;
  std::vector<std::unique_ptr<traveller>> all;
  std::deque<traveller*> runnable;
  for (int i = 0; i < travellers; ++i) {
    all.push_back(std::make_unique<traveller>(pool, seed + static_cast<std::uint64_t>(i)));
    all.back()->wrong = &wrong;
    runnable.push_back(all.back().get());
  }

  std::mutex mutex;  // guards runnable
  auto carry = [&](int number) {
    thread_number = number;
    base::random random{seed ^ static_cast<std::uint64_t>(number)};
    while (true) {
      traveller* next = nullptr;
      {
        std::lock_guard lock{mutex};
        if (runnable.empty()) return;
        const auto at = runnable.begin() + random.below(static_cast<std::uint32_t>(runnable.size()));
        next = *at;
        runnable.erase(at);
      }
      next->resumed_by = number;
      set_errno(1000 + number);
      next->self.resume();
      if (std::fegetround() != FE_TONEAREST || std::uncaught_exceptions() != 0 || std::current_exception()) ++wrong;
      if (next->self.ended()) continue;
      std::lock_guard lock{mutex};
      runnable.push_back(next);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(carry, i);
  for (auto& thread : threads) thread.join();
  // A thread leaves when it finds nothing runnable; what the others still held is finished here.
  thread_number = 9;
  carry(9);

  EXPECT_EQ(wrong, 0);
  for (auto& one : all) EXPECT_TRUE(one->self.ended());
}

}  // namespace
}  // namespace weft::stack
