#include "tests/support/task_fixture.hpp"

#include <atomic>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/runtime/runtime.hpp>
#include <weft/task/async_generator.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/generator.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;

class coroutines : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(coroutines);

constexpr int many = 1'000'000;

task<int> one() { co_return 1; }

task<int> deep(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await deep(depth - 1);
}

TEST_P(coroutines, that_await_a_million_others_in_a_loop_use_no_stack) {
  run([] {
    auto loop = spawn([]() -> task<int> {
      int sum = 0;
      for (int i = 0; i < many; ++i) sum += co_await one();
      co_return sum;
    });
    EXPECT_EQ(loop.join(), many);
  });
}

TEST_P(coroutines, a_million_deep_use_no_stack) {
  run([] {
    EXPECT_EQ(spawn(deep(many)).join(), many);
    EXPECT_EQ(await(deep(many)), many) << "on a virtual thread's own stack";
  });
}

TEST_P(coroutines, await_a_join_handle_for_what_its_task_returned_or_threw) {
  run([] {
    int place = 0;
    spawn([&]() -> task<void> {
      auto child = spawn([] { return std::make_unique<int>(7); });
      EXPECT_EQ(*co_await child, 7);
      EXPECT_FALSE(child.joinable());
      EXPECT_EQ(co_await spawn(one()), 1);
      co_await spawn([] { EXPECT_TRUE(sleep(1h)); });
      int& same = co_await spawn([&]() -> int& { return place; }).async_join();
      EXPECT_EQ(&same, &place);
      auto throwing = spawn([]() -> int { throw std::runtime_error{"no"}; });
      EXPECT_THROW(static_cast<void>(co_await throwing), std::runtime_error);
    }).join();
  });
}

TEST_P(coroutines, that_await_a_join_handle_go_on_waiting_when_they_are_cancelled_or_time_out) {
  run([] {
    auto waiting = spawn([]() -> task<int> {
      auto child = spawn([] {
        EXPECT_TRUE(sleep(2h));
        return 7;
      });
      deadline_scope within{1h};  // the waiter's own: what is spawned inside of one inherits it
      co_return co_await child;
    });
    run_until_parked(waiting);
    waiting.cancel();
    auto began = now();
    EXPECT_EQ(waiting.join(), 7);
    EXPECT_EQ(now() - began, 2h);
  });
}

TEST_P(coroutines, await_an_operation_that_has_a_name_again_and_again) {
  run([] {
    spawn([]() -> task<void> {
      auto child = spawn([] { EXPECT_TRUE(sleep(1h)); });
      auto end = child.async_wait();
      EXPECT_TRUE(co_await end);
      EXPECT_TRUE(co_await end);
      auto nap = async_sleep(1h);
      auto began = now();
      EXPECT_TRUE(co_await nap);
      EXPECT_TRUE(co_await nap);
      EXPECT_EQ(now() - began, 1h);
      co_await child;
    }).join();
  });
}

task<int&> lent(int& value) { co_return value; }

TEST_P(coroutines, and_virtual_threads_return_references) {
  run([] {
    int place = 0;
    EXPECT_EQ(&spawn([&]() -> int& { return place; }).join(), &place);
    EXPECT_EQ(&spawn(lent(place)).join(), &place);
    EXPECT_EQ(&await(lent(place)), &place);
    scope children;
    auto child = children.spawn_result([&]() -> const int& { return place; });
    children.join();
    EXPECT_EQ(&child.take(), &place);
  });
}

generator<int> numbers(int below) {
  for (int i = 0; i < below; ++i) co_yield i;
}

TEST(generators, are_ranges_that_make_each_element_when_it_is_asked_for) {
  std::vector<int> seen;
  for (int each : numbers(5)) seen.push_back(each);
  EXPECT_EQ(seen, (std::vector{0, 1, 2, 3, 4}));
  int sum = 0;
  for (int each : numbers(1'000'000'000) | std::views::take(4)) sum += each;
  EXPECT_EQ(sum, 6);
  for (int each : numbers(0)) ADD_FAILURE() << each;
}

generator<std::unique_ptr<int>> pointers([[maybe_unused]] std::shared_ptr<int> alive) {
  co_yield std::make_unique<int>(1);
  auto second = std::make_unique<int>(2);
  co_yield second;
  EXPECT_EQ(second, nullptr) << "whoever iterates may move it out";
  throw std::runtime_error{"no third"};
}

TEST(generators, of_what_can_only_be_moved_throw_where_the_next_is_asked_for) {
  auto alive = std::make_shared<int>(0);
  std::vector<std::unique_ptr<int>> taken;
  EXPECT_THROW(
      {
        for (auto& each : pointers(alive)) taken.push_back(std::move(each));
      },
      std::runtime_error);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(*taken[1], 2);
  {
    auto unfinished = pointers(alive);
    EXPECT_EQ(**unfinished.begin(), 1);
    EXPECT_EQ(alive.use_count(), 2);
  }
  EXPECT_EQ(alive.use_count(), 1) << "a generator that is dropped takes its coroutine along";
}

async_generator<int> ticks(int count) {
  for (int i = 0; i < count; ++i) {
    if (auto slept = co_await async_sleep(1s); !slept) throw std::system_error{slept.error()};
    co_yield i;
  }
}

TEST_P(coroutines, that_generate_wait_between_elements_for_both_kinds_of_task) {
  run([] {
    auto began = now();
    int sum = 0;
    auto mine = ticks(3);
    while (auto* each = mine.next()) sum += *each;
    EXPECT_EQ(mine.next(), nullptr) << "it stays over";
    auto other = spawn([]() -> task<int> {
      int total = 0;
      auto all = ticks(4);
      while (auto* each = co_await all.async_next()) total += *each;
      co_return total;
    });
    EXPECT_EQ(sum, 3);
    EXPECT_EQ(other.join(), 6);
    EXPECT_GE(now() - began, 7s);
    EXPECT_LT(now() - began, 8s);
  });
}

TEST_P(coroutines, that_generate_are_cancelled_with_the_task_that_asks) {
  run([] {
    auto asking = spawn([]() -> task<int> {
      int seen = 0;
      auto all = ticks(100);
      try {
        while (co_await all.async_next()) ++seen;
      } catch (const std::system_error& stopped) {
        EXPECT_EQ(stopped.code(), errc::cancelled);
      }
      co_return seen;
    });
    EXPECT_TRUE(sleep(2500ms));
    asking.cancel();
    EXPECT_EQ(asking.join(), 2);
  });
}

async_generator<int> immediate(int count) {
  for (int i = 0; i < count; ++i) co_yield i;
}

TEST_P(coroutines, that_ask_a_generator_a_million_times_use_no_stack) {
  run([] {
    auto asking = spawn([]() -> task<int> {
      int seen = 0;
      auto all = immediate(many);
      while (co_await all.async_next()) ++seen;
      co_return seen;
    });
    EXPECT_EQ(asking.join(), many);
  });
}

TEST(misuse, of_a_generator_iterated_over_twice_is_reported) {
  auto twice = numbers(2);
  for (int each : twice) static_cast<void>(each);
  EXPECT_DEATH(static_cast<void>(twice.begin()), "iterated over once");
}

TEST_P(coroutines, that_join_in_the_blocking_form_let_their_seat_go_on) {
  run([] {
    for (int i = 0; i < 20; ++i) {
      auto began = now();
      auto joiner = [&]() -> task<int> {
        auto first = spawn([] { return sleep(1h) ? 7 : 0; });
        auto second = spawn([]() -> task<int> { co_return co_await async_sleep(2h) ? 8 : 0; });
        const int sum = first.join() + second.join();
        EXPECT_EQ(now() - began, 2h) << "the clock waits for it";
        EXPECT_TRUE(co_await async_sleep(1h));
        EXPECT_EQ(now() - began, 3h);
        co_return sum;
      };
      EXPECT_EQ(spawn(joiner).join(), 15);
    }
  });
}

TEST_P(coroutines, that_wait_in_a_blocking_form_have_the_clock_move_to_the_end_of_the_wait) {
  run([] {
    for (int i = 0; i < 20; ++i) {
      const auto began = now();
      auto waiting = spawn([&]() -> task<void> {
        EXPECT_TRUE(sleep(1h));
        EXPECT_EQ(now() - began, 1h);
        deadline_scope within{2h};
        EXPECT_EQ(sleep(10h).error(), errc::timed_out);
        EXPECT_EQ(now() - began, 3h);
        co_return;
      });
      waiting.join();
    }
  });
}

TEST(coroutines_in_real_time, that_wait_in_a_blocking_form_are_under_their_deadline) {
  runtime home{{.seats = 1, .report = [](std::string_view) {}}};
  run_in(home, {}, [] {
    auto waiting = spawn([]() -> task<std::error_code> {
      deadline_scope within{5ms};
      co_return sleep(1h).error();
    });
    EXPECT_EQ(waiting.join(), errc::timed_out);
    auto joining = spawn([]() -> task<int> {
      auto long_one = spawn({.deadline = inherits_deadline::no}, [] { return sleep(20ms) ? 7 : 0; });
      deadline_scope within{1ms};
      co_return long_one.join();  // which no deadline ends
    });
    EXPECT_EQ(joining.join(), 7);
    auto later = spawn([]() -> task<bool> { co_return sleep(1ms).has_value(); });
    EXPECT_TRUE(later.join()) << "another coroutine on that thread has no deadline";
  });
}

TEST_P(coroutines, that_drop_a_handle_let_their_seat_go_on) {
  run([] {
    for (int i = 0; i < 20; ++i) {
      std::atomic<bool> dropped{false}, others_ran{false}, child_ended{false};
      auto other = spawn([&] {
        while (!dropped) yield();
        EXPECT_TRUE(sleep(1h));
        others_ran = true;
      });
      auto dropper = spawn([&]() -> task<> {
        {
          auto child = spawn([&] {
            cancellation_shield to_the_end;
            EXPECT_TRUE(sleep(2h));
            child_ended = true;
          });
          dropped = true;
        }
        EXPECT_TRUE(child_ended);
        EXPECT_TRUE(others_ran);
        co_return;
      });
      dropper.join();
      other.join();
    }
  });
}

TEST_P(coroutines, that_wait_in_a_blocking_form_let_their_seat_go_on_where_there_is_no_watchdog) {
  for (auto enabled : {false, true}) {
    runtime home{{.seats = GetParam(), .watchdog = {.enabled = enabled}, .report = [](std::string_view) {}}};
    run_in(home, {}, [] {
      std::atomic<int> ran{0};
      auto blocks = [&]() -> task<> {
        // Each child needs a seat, and there are more who block than seats.
        spawn([&] { ++ran; }).join();
        co_await async_yield();
        spawn([&] { ++ran; }).join();
      };
      std::vector<join_handle<void>> all;
      for (int i = 0; i < 50; ++i) all.push_back(spawn(blocks));
      for (auto& each : all) each.join();
      EXPECT_EQ(ran, 100);
    });
  }
}

}  // namespace
}  // namespace weft
