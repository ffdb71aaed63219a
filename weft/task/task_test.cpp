#include "tests/support/task_fixture.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/task/accounting_scope.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;

class tasks : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(tasks);

TEST_P(tasks, join_returns_what_the_task_returned) {
  run([] {
    auto answer = spawn([] { return 42; });
    EXPECT_EQ(answer.join(), 42);
    auto text = spawn([]() -> task<std::string> { co_return "coroutine"; });
    EXPECT_EQ(text.join(), "coroutine");
  });
}

TEST_P(tasks, join_throws_what_the_task_threw) {
  run([] {
    auto failing = spawn([]() -> int { throw std::runtime_error{"from a virtual thread"}; });
    EXPECT_THROW(failing.join(), std::runtime_error);
    auto coroutine = spawn([]() -> task<> {
      co_await async_yield();
      throw std::logic_error{"from a coroutine"};
    });
    EXPECT_THROW(coroutine.join(), std::logic_error);
  });
}

TEST_P(tasks, a_hundred_thousand_tasks_of_both_kinds_all_run_and_all_end) {
  run([] {
    std::atomic<int> ran{0};
    {
      scope all;
      for (int i = 0; i < 25'000; ++i) {
        all.spawn([&] { ran.fetch_add(1, std::memory_order_relaxed); });
        all.spawn([&]() -> task<> {
          co_await async_yield();
          ran.fetch_add(1, std::memory_order_relaxed);
        });
      }
    }
    EXPECT_EQ(ran.load(), 50'000);
  });
}

TEST_P(tasks, sleeping_takes_exactly_as_long_as_it_says_and_shorter_sleeps_end_first) {
  run([] {
    std::vector<int> order;
    auto start = now();
    auto long_sleeper = spawn([&] {
      EXPECT_TRUE(sleep(2h));
      order.push_back(2);
    });
    auto short_sleeper = spawn([&]() -> task<> {
      EXPECT_TRUE(co_await async_sleep(1h));
      order.push_back(1);
    });
    short_sleeper.join();
    long_sleeper.join();
    EXPECT_GE(now() - start, 2h);
    EXPECT_LT(now() - start, 2h + 2us);
    EXPECT_EQ(order, (std::vector{1, 2}));
  });
}

TEST_P(tasks, a_cancelled_sleep_ends_at_once_and_says_so) {
  run([] {
    auto start = now();
    auto thread = spawn([] { return sleep(1h); });
    auto coroutine = spawn([]() -> task<result<void>> { co_return co_await async_sleep(1h); });
    run_until_parked(thread);
    run_until_parked(coroutine);
    thread.cancel();
    coroutine.cancel();
    EXPECT_EQ(thread.join().error(), errc::cancelled);
    EXPECT_EQ(coroutine.join().error(), errc::cancelled);
    EXPECT_LT(now() - start, 1h);
  });
}

TEST_P(tasks, a_task_cancelled_before_it_waits_does_not_wait) {
  run([] {
    auto thread = spawn([] {
      while (!cancelled()) yield();
      auto first = sleep(1h);
      auto second = sleep(1h);
      EXPECT_EQ(second.error(), errc::cancelled);
      return first;
    });
    thread.cancel();
    EXPECT_EQ(thread.join().error(), errc::cancelled);
  });
}

TEST_P(tasks, a_shielded_wait_is_not_cancelled_and_the_next_one_is) {
  run([] {
    auto start = now();
    auto thread = spawn([&] {
      {
        cancellation_shield shield;
        EXPECT_TRUE(sleep(1h));
      }
      return sleep(1h);
    });
    run_until_parked(thread);
    thread.cancel();
    EXPECT_EQ(thread.join().error(), errc::cancelled);
    EXPECT_GE(now() - start, 1h);
    EXPECT_LT(now() - start, 2h);
  });
}

TEST_P(tasks, the_nearest_of_nested_deadlines_counts) {
  run([] {
    auto start = now();
    deadline_scope outer{10s};
    {
      deadline_scope inner{1h};
      EXPECT_EQ(sleep(2h).error(), errc::timed_out);
    }
    EXPECT_GE(now() - start, 10s);
    EXPECT_LT(now() - start, 11s);
  });
}

TEST_P(tasks, a_deadline_reaches_the_waits_of_coroutines_and_of_children_in_a_scope) {
  run([] {
    scope children;
    std::error_code seen;
    {
      deadline_scope limit{5s};
      children.spawn([&]() -> task<> {
        auto outcome = co_await async_sleep(1h);
        seen = outcome.error();
      });
    }
    children.join();
    EXPECT_EQ(seen, errc::timed_out);
  });
}

TEST_P(tasks, the_first_error_in_a_scope_cancels_the_others_and_reaches_the_owner) {
  run([] {
    std::error_code sibling;
    auto start = now();
    try {
      scope children;
      children.spawn([&] { sibling = sleep(1h).error(); });
      children.spawn([] {
        EXPECT_TRUE(sleep(1s));
        throw std::runtime_error{"first"};
      });
      children.join();
      ADD_FAILURE() << "join() should have thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "first");
    }
    EXPECT_EQ(sibling, errc::cancelled);
    EXPECT_LT(now() - start, 2s);
  });
}

TEST_P(tasks, cancelling_the_owner_of_a_scope_cancels_its_children) {
  run([] {
    std::error_code child_saw;
    auto owner = spawn([&] {
      scope children;
      children.spawn([&] { child_saw = sleep(1h).error(); });
      children.join();
    });
    run_until_parked(owner);
    owner.cancel();
    owner.join();
    EXPECT_EQ(child_saw, errc::cancelled);
  });
}

TEST_P(tasks, leaving_a_scope_by_an_exception_cancels_its_children) {
  run([] {
    std::error_code child_saw;
    try {
      scope children;
      children.spawn([&] { child_saw = sleep(1h).error(); });
      throw std::runtime_error{"left"};
    } catch (const std::runtime_error&) {}
    EXPECT_EQ(child_saw, errc::cancelled);
  });
}

TEST_P(tasks, dropping_a_handle_cancels_and_joins) {
  run([] {
    bool ended = false;
    {
      auto dropped = spawn([&] {
        EXPECT_EQ(sleep(1h).error(), errc::cancelled);
        ended = true;
      });
    }
    EXPECT_TRUE(ended);
  });
}

TEST_P(tasks, a_detached_task_is_cancelled_and_awaited_when_the_runtime_ends) {
  std::atomic<bool> ended{false};
  run([&] {
    auto handle = spawn([&] {
      static_cast<void>(sleep(10'000h));
      ended = true;
    });
    run_until_parked(handle);
    handle.detach();
  });
  EXPECT_TRUE(ended);
}

task<int> sum_up_to(int depth) {
  if (depth == 0) co_return 0;
  co_return depth + co_await sum_up_to(depth - 1);
}

TEST_P(tasks, coroutines_await_one_another_in_loops_and_chains) {
  run([] {
    auto total = spawn([]() -> task<int> {
      int sum = 0;
      for (int i = 0; i < 1000; ++i) sum += co_await sum_up_to(10);
      co_return sum;
    });
    EXPECT_EQ(total.join(), 55'000);
  });
}

TEST_P(tasks, a_virtual_thread_runs_a_coroutine_on_its_own_stack_and_parks_with_it) {
  run([] {
    auto slept = await([]() -> task<result<void>> { co_return co_await async_sleep(1h); }());
    EXPECT_TRUE(slept);
  });
}

TEST_P(tasks, parking_inside_a_catch_block_keeps_the_exception) {
  run([] {
    scope many;
    for (int i = 0; i < 100; ++i) {
      many.spawn([i] {
        try {
          throw i;
        } catch (int) {
          EXPECT_TRUE(sleep(std::chrono::milliseconds{100 - i}));
          try {
            throw;
          } catch (int again) {
            EXPECT_EQ(again, i);
          }
        }
      });
    }
  });
}

TEST_P(tasks, blocking_runs_elsewhere_and_hands_back_values_and_exceptions) {
  run([] {
    auto here = std::this_thread::get_id();
    auto there = blocking([] { return std::this_thread::get_id(); });
    EXPECT_NE(here, there);
    EXPECT_THROW(blocking([]() -> int { throw std::runtime_error{"blocked"}; }), std::runtime_error);
    auto coroutine = spawn([]() -> task<int> { co_return co_await async_blocking([] { return 7; }); });
    EXPECT_EQ(coroutine.join(), 7);
  });
}

TEST(os_threads, waits_work_on_a_plain_os_thread_without_a_runtime) {
  EXPECT_TRUE(sleep(1us));
  EXPECT_EQ(blocking([] { return 3; }), 3);
  {
    deadline_scope limit{1us};
    EXPECT_EQ(sleep(1h).error(), errc::timed_out);
  }
  EXPECT_EQ(await(sum_up_to(4)), 10);
  EXPECT_TRUE(await([]() -> task<result<void>> { co_return co_await async_sleep(1us); }()));
}

TEST(os_threads, wait_in_real_time_for_what_is_left_on_a_virtual_clock_wherever_that_stands) {
  virtual_clock clock;
  // Taken for real instants, the first deadlines are past where the machine has been up for an hour, the last are years
  // ahead on any.
  for (auto stands_at : {now(), now() + 24h * 365 * 20}) {
    clock.advance_to(stands_at);
    auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(sleep(1ms));
    {
      deadline_scope limit{2ms};
      EXPECT_EQ(sleep(1h).error(), errc::timed_out);
    }
    EXPECT_GE(std::chrono::steady_clock::now() - start, 3ms);
  }
}

TEST_P(tasks, waits_add_to_the_accounting_that_is_installed) {
  run([] {
    accounting account;
    {
      accounting_scope installed{account};
      EXPECT_TRUE(sleep(3s));
      auto child = spawn([] { EXPECT_TRUE(sleep(2s)); });
      child.join();
    }
    EXPECT_TRUE(sleep(1h));
    auto timer = account.waited[static_cast<std::size_t>(wait_kind::timer)];
    auto join = account.waited[static_cast<std::size_t>(wait_kind::join)];
    EXPECT_GE(timer, 3s);
    EXPECT_LT(timer, 3s + 1ms);
    EXPECT_GE(join, 2s);
    EXPECT_LT(join, 2s + 1ms);
  });
}

}  // namespace
}  // namespace weft

// A program of others, outside weft's namespace.
namespace a_program {
namespace {

weft::task<int> wait_for_two_things() {
  auto child = weft::spawn([] { return 42; });
  EXPECT_TRUE(co_await weft::async_sleep(std::chrono::seconds{1}));
  EXPECT_TRUE(co_await child.async_wait());
  co_return child.join();
}

class program : public weft::testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(program);

TEST_P(program, awaits_every_operation_from_whatever_namespace_it_is_in) {
  run([] { EXPECT_EQ(weft::spawn(wait_for_two_things()).join(), 42); });
}

}  // namespace
}  // namespace a_program
