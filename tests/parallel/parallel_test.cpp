#include "task/task_fixture.hpp"

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include <weft/parallel/compute.hpp>
#include <weft/parallel/parallel_for.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;

class parallel : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(parallel);

TEST_P(parallel, compute_runs_elsewhere_while_the_seat_serves_others) {
  run([] {
    std::atomic<bool> neighbour_ran{false};
    auto neighbour = spawn([&] { neighbour_ran = true; });
    auto here = std::this_thread::get_id();
    auto there = compute([&] {
      while (!neighbour_ran) std::this_thread::yield();  // would hang if it sat on the neighbour's only seat
      return std::this_thread::get_id();
    });
    EXPECT_NE(here, there);
    neighbour.join();
  });
}

TEST_P(parallel, compute_throws_what_the_function_threw_also_into_a_coroutine) {
  run([] {
    EXPECT_THROW(compute([]() -> int { throw std::runtime_error{"computed"}; }), std::runtime_error);
    auto coroutine = spawn([]() -> task<int> { co_return co_await async_compute([] { return 6 * 7; }); });
    EXPECT_EQ(coroutine.join(), 42);
  });
}

TEST_P(parallel, compute_is_accounted_as_waiting_and_as_computed) {
  run([] {
    accounting account;
    accounting_scope installed{account};
    compute([] {
      auto end = std::chrono::steady_clock::now() + 2ms;
      while (std::chrono::steady_clock::now() < end) {}
    });
    EXPECT_GE(account.computed, 2ms);
  });
}

TEST_P(parallel, parallel_for_calls_each_index_exactly_once) {
  run([] {
    for (std::size_t count : {0u, 1u, 2u, 7u, 1000u, 100'000u}) {
      std::vector<std::atomic<int>> calls(count);
      parallel_for(0, count, [&](std::size_t i) { calls[i].fetch_add(1, std::memory_order_relaxed); });
      for (auto& each : calls) ASSERT_EQ(each.load(), 1);
    }
  });
}

TEST_P(parallel, parallel_for_throws_one_of_the_exceptions_and_leaves_nothing_running) {
  run([] {
    std::atomic<int> running{0};
    EXPECT_THROW(parallel_for(0, 1000,
                              [&](std::size_t i) {
                                running.fetch_add(1);
                                struct leave {
                                  std::atomic<int>& count;
                                  ~leave() { count.fetch_sub(1); }
                                } guard{running};
                                if (i % 100 == 7) throw std::out_of_range{"seven"};
                              }),
                 std::out_of_range);
    EXPECT_EQ(running.load(), 0);
  });
}

TEST_P(parallel, loops_nest_and_run_inside_compute) {
  run([] {
    std::atomic<int> sum{0};
    compute([&] {
      parallel_for(0, 10, [&](std::size_t) {
        parallel_for(0, 10, [&](std::size_t) { sum.fetch_add(1, std::memory_order_relaxed); });
      });
    });
    EXPECT_EQ(sum.load(), 100);
  });
}

TEST_P(parallel, many_tasks_loop_at_once) {
  run([] {
    std::atomic<int> sum{0};
    {
      scope all;
      for (int task = 0; task < 50; ++task) {
        all.spawn([&] { parallel_for(0, 100, [&](std::size_t) { sum.fetch_add(1, std::memory_order_relaxed); }); });
      }
    }
    EXPECT_EQ(sum.load(), 5000);
  });
}

TEST(parallel_on_os_threads, without_a_runtime_everything_runs_in_place) {
  EXPECT_EQ(compute([] { return 5; }), 5);
  int sum = 0;
  parallel_for(0, 10, [&](std::size_t i) { sum += static_cast<int>(i); });
  EXPECT_EQ(sum, 45);
}

}  // namespace
}  // namespace weft
