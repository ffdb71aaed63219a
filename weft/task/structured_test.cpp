#include "tests/support/task_fixture.hpp"

#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include <weft/combine/first_success.hpp>
#include <weft/combine/shield.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;

class scopes : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(scopes);

TEST_P(scopes, give_what_their_children_returned) {
  run([] {
    scope children;
    auto number = children.spawn_result([] { return 42; });
    auto text = children.spawn_result([]() -> task<std::string> {
      EXPECT_TRUE(co_await async_sleep(1h));
      co_return "coroutine";
    });
    auto pointer = children.spawn_result([] { return std::make_unique<int>(7); });
    static_cast<void>(children.spawn_result([] { return std::make_unique<int>(8); }));  // dropped
    children.join();
    EXPECT_EQ(number.take(), 42);
    EXPECT_EQ(text.take(), "coroutine");
    EXPECT_EQ(*pointer.take(), 7);
  });
}

TEST_P(scopes, give_what_a_child_threw_to_who_takes_its_result_too) {
  run([] {
    scope children{{.policy = scope_policy::collect_all, .stop = {}}};
    auto failing = children.spawn_result([]() -> int { throw std::runtime_error{"this one"}; });
    EXPECT_THROW(children.join(), scope_errors);
    EXPECT_THROW(static_cast<void>(failing.take()), std::runtime_error);
  });
}

TEST_P(scopes, that_collect_let_every_child_end_and_throw_all_errors) {
  run([] {
    scope children{{.policy = scope_policy::collect_all, .stop = {}}};
    bool slow_one_ended = false;
    for (int i = 0; i < 3; ++i) children.spawn([i] { throw std::runtime_error{std::to_string(i)}; });
    children.spawn([]() -> task<> {
      co_await async_yield();
      throw std::logic_error{"coroutine"};
    });
    children.spawn([&] {
      EXPECT_TRUE(sleep(1h));
      slow_one_ended = true;
    });
    try {
      children.join();
      ADD_FAILURE() << "join() should have thrown";
    } catch (const scope_errors& errors) {
      EXPECT_EQ(errors.all().size(), 4u);
      EXPECT_STREQ(errors.what(), "4 tasks of a scope failed");
    }
    EXPECT_TRUE(slow_one_ended);
    children.join();  // again: nothing is left to throw
  });
}

TEST_P(scopes, are_cancelled_by_a_foreign_stop) {
  run([] {
    std::stop_source foreign;
    std::error_code thread_saw, coroutine_saw;
    {
      scope children{{.stop = foreign.get_token()}};
      children.spawn([&] { thread_saw = sleep(1h).error(); });
      children.spawn([&]() -> task<> {
        auto outcome = co_await async_sleep(1h);
        coroutine_saw = outcome.error();
      });
      EXPECT_TRUE(sleep(1s));
      foreign.request_stop();
    }
    EXPECT_EQ(thread_saw, errc::cancelled);
    EXPECT_EQ(coroutine_saw, errc::cancelled);
    scope late{{.stop = foreign.get_token()}};
    late.spawn([] { EXPECT_EQ(sleep(1h).error(), errc::cancelled); });
  });
}

TEST_P(scopes, pass_deadlines_down_through_both_kinds_of_task) {
  run([] {
    auto began = now();
    std::vector<std::error_code> seen(2);
    {
      deadline_scope limit{5s};
      scope outer;
      outer.spawn([&]() -> task<> {
        scope inner;
        inner.spawn([&] {
          scope innermost;
          innermost.spawn([&]() -> task<> {
            auto outcome = co_await async_sleep(1h);
            seen[0] = outcome.error();
          });
          seen[1] = sleep(1h).error();
        });
        EXPECT_TRUE(co_await shield(inner.async_join()));
      });
    }
    EXPECT_EQ(seen[0], errc::timed_out);
    EXPECT_EQ(seen[1], errc::timed_out);
    EXPECT_LT(now() - began, 6s);
  });
}

TEST_P(scopes, that_end_let_others_go_on_who_wait_for_their_end) {
  run([] {
    std::vector<join_handle<result<void>>> waiters;
    {
      scope children;
      children.spawn([] { EXPECT_TRUE(sleep(1h)); });
      waiters.push_back(spawn([&] { return await(children.async_join()); }));
      waiters.push_back(spawn([&]() -> task<result<void>> { co_return co_await children.async_join(); }));
      for (auto& each : waiters) run_until_parked(each);
    }
    for (auto& each : waiters) EXPECT_TRUE(each.join());
  });
}

class races : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(races);

TEST_P(races, between_tasks_end_with_the_first_success_and_cancel_the_rest) {
  run([] {
    auto began = now();
    std::error_code loser;
    first_success<std::string> fastest;
    fastest.spawn([]() -> std::string { throw std::runtime_error{"fails at once"}; });
    fastest.spawn([]() -> result<std::string> { return failure(errc::closed); });
    fastest.spawn([]() -> task<std::string> {
      EXPECT_TRUE(co_await async_sleep(2s));
      co_return "coroutine";
    });
    fastest.spawn([&]() -> result<std::string> {
      loser = sleep(1h).error();
      return std::unexpected{loser};
    });
    EXPECT_EQ(fastest.join(), "coroutine");
    EXPECT_EQ(loser, errc::cancelled);
    EXPECT_LT(now() - began, 3s);
  });
}

TEST_P(races, that_nobody_wins_say_why) {
  run([] {
    first_success<int> some_return;
    some_return.spawn([]() -> int { throw std::runtime_error{"thrown"}; });
    some_return.spawn([]() -> task<result<int>> { co_return failure(errc::closed); });
    EXPECT_EQ(some_return.join().error(), errc::closed);
    first_success<int> all_throw;
    all_throw.spawn([]() -> int { throw std::runtime_error{"thrown"}; });
    EXPECT_THROW(static_cast<void>(all_throw.join()), scope_errors);
    first_success<int> nobody;
    EXPECT_EQ(nobody.join().error(), errc::unavailable);
  });
}

TEST_P(races, that_two_win_at_the_same_time_have_one_winner) {
  run([] {
    first_success<int> both;
    for (int i = 0; i < 2; ++i) {
      both.spawn([i] {
        static_cast<void>(sleep(1s));  // the other may have won before this one slept
        return i;
      });
    }
    auto winner = both.join();
    EXPECT_TRUE(winner == 0 || winner == 1);
  });
}

TEST(misuse, of_a_scope_joined_by_its_own_child_is_reported) {
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               scope children;
                                               children.spawn({.name = "child"}, [&] { children.join(); });
                                             }),
               "a child that joins its scope.*\n.*by the task \"child\", spawned at ");
}

TEST(misuse, of_a_result_that_is_not_there_yet_is_reported) {
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               scope children;
                                               auto late = children.spawn_result([] { return sleep(1s).has_value(); });
                                               static_cast<void>(late.take());
                                             }),
               "after its scope was joined");
}

}  // namespace
}  // namespace weft
