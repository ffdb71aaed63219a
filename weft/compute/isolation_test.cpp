// Code that waits for a computation in place, on a carrier's own stack, runs nothing there but what it waits for.

#include "tests/support/fib.hpp"
#include "tests/support/task_fixture.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <weft/compute/compute.hpp>
#include <weft/compute/fork_join.hpp>
#include <weft/parallel/invoke_all.hpp>
#include <weft/parallel/parallel_for.hpp>
#include <weft/parallel/parallel_pipeline.hpp>
#include <weft/parallel/parallel_reduce.hpp>
#include <weft/parallel/parallel_sort.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/call_once.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>

namespace weft {
namespace {

using testing::fib;

template <class F>
void run_with_carriers(std::size_t carriers, F f) {
  runtime home{{.seats = 1, .compute_carriers = carriers}};
  run_in(home, {.name = "test"}, f);
}

/// Of an OS thread: in how many calls below each other it is. Never inlined: see thread_index().
[[gnu::noinline]] int& depth_here() {
  static thread_local int depth = 0;
  asm volatile("" ::: "memory");
  return depth;
}

std::size_t blocked_carriers() { return runtime::current()->computing().blocked; }

// ---- a theft that is certain

class waits_in_place : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(carriers, waits_in_place, ::testing::Values(2, 3, 5),
                         [](const auto& each) { return "carriers_" + std::to_string(each.param); });

/// The first iteration runs two functions, of which another carrier takes the second. That one ends when the carrier of
/// the first iteration sleeps, or has begun another iteration. All other iterations wait, each on a carrier of its own,
/// until there are no more carriers: there always is another one to be taken.
TEST_P(waits_in_place, begin_no_other_iteration_of_the_loop_around_and_sleep) {
  run_with_carriers(GetParam(), [] {
    constexpr int iterations = 120;  // more than there can be carriers
    std::atomic<int> begun{0}, waiting{0};
    std::atomic<bool> is_shared{false}, is_disturbed{false};
    event over;
    auto nested = [&] {
      invoke_all(
          [&] {
            while (!is_shared) std::this_thread::yield();
          },
          [&] {
            is_shared = true;
            // More are blocked than wait for the event: the first iteration is.
            while (!is_disturbed && blocked_carriers() <= static_cast<std::size_t>(waiting.load())) {
              std::this_thread::yield();
            }
          });
      over.set();
    };
    parallel_for(0, iterations, [&](int) {
      if (depth_here()++ != 0) is_disturbed = true;
      if (begun.fetch_add(1) == 0) {
        nested();
      } else if (!is_disturbed) {
        ++waiting;
        EXPECT_TRUE(over.wait());
      }
      --depth_here();
    });
    EXPECT_FALSE(is_disturbed) << "an iteration ran on the stack of another one";
    EXPECT_EQ(begun, iterations);
  });
}

parallel_task<> wait_for(std::atomic<bool>* flag) {
  while (!*flag) std::this_thread::yield();
  co_return;
}

/// Begun by whoever takes what stands behind the fork.
parallel_task<> shared(std::atomic<bool>* is_shared, std::atomic<int>* helpers, int depth);

parallel_task<> share_below(std::atomic<int>* helpers, int depth) {
  std::atomic<bool> is_shared{false};
  co_await fork<wait_for>(&is_shared);
  co_await call<shared>(&is_shared, helpers, depth);
  co_await join();
}

parallel_task<> shared(std::atomic<bool>* is_shared, std::atomic<int>* helpers, int depth) {
  ++*helpers;
  *is_shared = true;
  if (depth > 0) weft::fork_join(share_below, helpers, depth - 1);
  co_return;
}

/// At each level somebody else has to take a part, of whom there are two, who wait for a level above, or a carrier that
/// takes the place of one of them.
TEST(waits_in_place_for_fork_join, leave_nothing_undone_that_is_nested_in_what_they_wait_for) {
  run_with_carriers(2, [] {
    std::atomic<int> helpers{0};
    constexpr int depth = 20;
    weft::fork_join(share_below, &helpers, depth);
    EXPECT_EQ(helpers, depth + 1);
  });
}

// ---- locks that are held around every kind of nested computation

using nested_computation = std::function<void(int round)>;

void work(int amount) {
  for (int i = 0; i < amount; ++i) asm volatile("");
}

std::vector<std::pair<std::string, nested_computation>> nested_computations() {
  constexpr int part = 20'000;
  return {
      {"parallel_for", [](int) { parallel_for(0, 4, [](int) { work(part); }); }},
      {"compute", [](int) { compute([] { parallel_for(0, 4, [](int) { work(part); }); }); }},
      {"invoke_all", [](int) { invoke_all([] { work(part); }, [] { work(part); }, [] { work(part); }); }},
      {"fork_join", [](int) { EXPECT_EQ(weft::fork_join(fib, 16), 987); }},
      {"parallel_reduce",
       [](int) {
         std::array<int, 64> numbers;
         numbers.fill(1);
         EXPECT_EQ(parallel_reduce(numbers.begin(), numbers.end(), 0,
                                   [](int left, int right) {
                                     work(2000);
                                     return left + right;
                                   }),
                   64);
       }},
      {"parallel_sort",
       [](int round) {
         std::vector<int> numbers(10'000);
         for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int>(i * 7919 % 10'007) ^ round;
         parallel_sort(numbers.begin(), numbers.end());
         EXPECT_TRUE(std::ranges::is_sorted(numbers));
       }},
      {"parallel_scan",
       [](int) {
         std::vector<int> numbers(8192, 1);
         parallel_scan(numbers.begin(), numbers.end(), numbers.begin(), std::plus<>{}, {.grain = 512});
         EXPECT_EQ(numbers.back(), 8192);
       }},
      {"parallel_pipeline",
       [](int) {
         int next = 0, sum = 0;
         parallel_pipeline(
             {}, [&] { return next < 20 ? std::optional{next++} : std::nullopt; }, unordered([](int i) {
               work(part);
               return i;
             }),
             ordered([&](int i) { sum += i; }));
         EXPECT_EQ(sum, 190);
       }},
  };
}

/// Each iteration holds the lock while it computes, and counts.
template <class Mutex>
void hold_around(const nested_computation& nested) {
  Mutex guard;
  int count = 0;
  constexpr int rounds = 20, iterations = 24;
  for (int round = 0; round < rounds; ++round) {
    parallel_for(0, iterations, [&](int) {
      work(20'000);
      std::lock_guard lock{guard};
      nested(round);
      ++count;
    });
  }
  EXPECT_EQ(count, rounds * iterations);
}

class locks_around : public ::testing::TestWithParam<std::pair<std::string, nested_computation>> {};
INSTANTIATE_TEST_SUITE_P(nested, locks_around, ::testing::ValuesIn(nested_computations()),
                         [](const auto& each) { return each.param.first; });

TEST_P(locks_around, hold_with_a_mutex_of_wefts) {
  run_with_carriers(3, [] { hold_around<mutex>(GetParam().second); });
}

TEST_P(locks_around, hold_with_a_mutex_of_the_standard_library) {
  run_with_carriers(3, [] { hold_around<std::mutex>(GetParam().second); });
}

/// The same where the loop around is part of a virtual thread, which moves to the carriers.
TEST_P(locks_around, hold_inside_of_compute) {
  run_with_carriers(3, [] {
    std::vector<join_handle<void>> tasks;
    mutex guard;
    int count = 0;
    for (int i = 0; i < 20; ++i) {
      tasks.push_back(spawn([&, i] {
        compute([&] {
          std::lock_guard lock{guard};
          GetParam().second(i);
          ++count;
        });
      }));
    }
    for (auto& each : tasks) each.join();
    EXPECT_EQ(count, 20);
  });
}

TEST_P(locks_around, hold_in_call_once) {
  run_with_carriers(3, [] {
    for (int round = 0; round < 40; ++round) {
      once_flag flag;
      std::atomic<int> called{0};
      parallel_for(0, 16, [&](int) {
        EXPECT_TRUE(call_once(flag, [&] {
          GetParam().second(round);
          ++called;
        }));
      });
      ASSERT_EQ(called, 1);
    }
  });
}

/// Iterations of nested loops over three levels, of which none may run on the stack of another of its own level.
TEST(nested_loops, run_no_iteration_on_the_stack_of_another_that_waits) {
  run_with_carriers(4, [] {
    constexpr int width = 8;
    std::atomic<int> innermost{0}, disturbed{0};
    auto level = [&](auto& self, int number) -> void {
      parallel_for(0, width, [&, number](int) {
        if (depth_here() >= number) ++disturbed;
        const int before = std::exchange(depth_here(), number);
        if (number < 3) {
          self(self, number + 1);
        } else {
          ++innermost;
          work(500);
        }
        depth_here() = before;
      });
    };
    for (int round = 0; round < 10; ++round) level(level, 1);
    EXPECT_EQ(innermost, 10 * width * width * width);
    EXPECT_EQ(disturbed, 0);
  });
}

}  // namespace
}  // namespace weft
