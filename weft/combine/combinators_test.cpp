#include "tests/support/sync_fixture.hpp"

#include <atomic>
#include <chrono>
#include <mutex>
#include <semaphore>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <vector>

#include <weft/combine/race.hpp>
#include <weft/combine/select.hpp>
#include <weft/combine/shield.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/combine/when_any.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/combine/with_stop_token.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/stop_token.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;
using testing::sync_test;

class combined_waits : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(combined_waits);

TEST_P(combined_waits, for_all_end_with_the_last_and_give_each_outcome) {
  run([] {
    channel<int> numbers{0};
    channel<std::string> words{0};
    event bell;
    auto all = start_parked([&] { return when_all(numbers.async_recv(), words.async_recv(), bell.async_wait()); });
    ASSERT_TRUE(words.send("word"));
    all.run_until_parked();
    bell.set();
    all.run_until_parked();
    ASSERT_TRUE(numbers.send(7));
    auto [number, word, rang] = all.outcome();
    EXPECT_EQ(number, 7);
    EXPECT_EQ(word, "word");
    EXPECT_TRUE(rang);
  });
}

TEST_P(combined_waits, for_all_that_need_not_wait_do_not) {
  run([] {
    channel<int> numbers{1};
    event bell;
    ASSERT_TRUE(numbers.try_send(1));
    bell.set();
    auto [number, rang] = start([&] { return when_all(numbers.async_recv(), bell.async_wait()); }).outcome();
    EXPECT_EQ(number, 1);
    EXPECT_TRUE(rang);
  });
}

TEST_P(combined_waits, for_all_keep_what_has_happened_when_they_are_cancelled) {
  run([] {
    channel<int> first{0}, second{0};
    auto all = start_parked([&] { return when_all(first.async_recv(), second.async_recv()); });
    ASSERT_TRUE(second.send(2));
    all.run_until_parked();
    all.cancel();
    auto [nothing, two] = all.outcome();
    EXPECT_EQ(nothing.error(), errc::cancelled);
    EXPECT_EQ(two, 2);
    EXPECT_FALSE(first.try_send(1)) << "nobody waits there any more";
  });
}

TEST_P(combined_waits, for_all_that_are_cancelled_after_the_last_was_handed_over_have_happened) {
  run([] {
    channel<int> first{0}, second{0};
    auto all = start_parked([&] { return when_all(first.async_recv(), second.async_recv()); });
    ASSERT_TRUE(first.try_send(1));  // handed over; on one seat the waiter has not run
    all.cancel();
    auto [one, nothing] = all.outcome();
    EXPECT_EQ(one, 1);
    EXPECT_EQ(nothing.error(), errc::cancelled);
  });
}

TEST_P(combined_waits, for_any_take_one_and_leave_the_others) {
  run([] {
    channel<int> numbers{1}, others{1};
    mutex guard;
    auto any = start([&] { return when_any(numbers.async_recv(), others.async_recv(), testing::section{guard}); });
    auto outcome = any.outcome();
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->index(), 2u);
    ASSERT_TRUE(numbers.try_send(1));
    EXPECT_EQ(numbers.try_recv(), 1);
  });
}

TEST_P(combined_waits, nest) {
  run([] {
    channel<int> a{0}, b{0}, c{0}, d{0};
    auto make = [&] {
      return when_any(when_any(a.async_recv(), b.async_recv()),
                      with_timeout(when_any(c.async_recv(), d.async_recv()), 1000h), race(a.async_recv()));
    };
    for (int i = 0; i < 4; ++i) {
      auto any = start_parked(make);
      auto& chosen = i < 2 ? b : d;
      ASSERT_TRUE(chosen.try_send(i));
      auto outcome = any.outcome();
      ASSERT_TRUE(outcome);
      ASSERT_EQ(outcome->index(), i < 2 ? 0u : 1u);
      auto& inner = i < 2 ? std::get<0>(*outcome) : std::get<1>(*outcome);
      ASSERT_EQ(inner->index(), 1u);
      EXPECT_EQ(std::get<1>(*inner), i);
      for (auto* each : {&a, &b, &c, &d}) EXPECT_FALSE(each->try_send(9)) << "somebody still waits";
    }
  });
}

TEST_P(combined_waits, that_race_end_with_the_first_success_and_pass_over_failures) {
  run([] {
    channel<int> closed{0}, late{0};
    auto winner = start_parked([&] { return race(closed.async_recv(), late.async_recv()); });
    closed.close();
    winner.run_until_parked();
    ASSERT_TRUE(late.send(5));
    auto outcome = winner.outcome();
    ASSERT_TRUE(outcome);
    ASSERT_EQ(outcome->index(), 1u);
    EXPECT_EQ(std::get<1>(*outcome), 5);
  });
}

TEST_P(combined_waits, that_race_and_all_fail_say_why_the_first_did) {
  run([] {
    channel<int> first{0}, second{0};
    auto losers = start_parked(
        [&] { return race(first.async_recv(), with_timeout(second.async_recv(), 1ms), second.async_send(1)); });
    losers.run_until_parked();
    first.close();
    losers.run_until_parked();
    second.close();
    auto outcome = losers.outcome();
    ASSERT_FALSE(outcome);
    EXPECT_TRUE(outcome.error() == errc::closed || outcome.error() == errc::timed_out);
  });
}

TEST_P(combined_waits, that_race_are_cancelled_without_having_taken_anything) {
  run([] {
    channel<int> first{0}, second{0};
    auto waiter = start_parked([&] { return race(first.async_recv(), second.async_recv()); });
    waiter.cancel();
    EXPECT_EQ(waiter.outcome().error(), errc::cancelled);
    EXPECT_FALSE(first.try_send(1));
    EXPECT_FALSE(second.try_send(1));
  });
}

TEST_P(combined_waits, with_a_deadline_time_out_and_have_taken_nothing) {
  run([] {
    channel<int> never{0};
    auto began = now();
    EXPECT_EQ(start([&] { return with_timeout(never.async_recv(), 1ms); }).outcome().error(), errc::timed_out);
    EXPECT_LT(now() - began, 1h);
    EXPECT_FALSE(never.try_send(1));
    auto past = start([&] { return with_deadline(never.async_recv(), now() - 1h); }).outcome();
    EXPECT_EQ(past.error(), errc::timed_out);
    EXPECT_EQ(start([&] { return with_timeout(never.async_recv(), -1h); }).outcome().error(), errc::timed_out);
  });
}

TEST_P(combined_waits, with_a_deadline_that_has_passed_still_take_what_is_there) {
  run([] {
    channel<int> numbers{1};
    ASSERT_TRUE(numbers.try_send(1));
    EXPECT_EQ(start([&] { return with_timeout(numbers.async_recv(), -1h); }).outcome(), 1);
  });
}

TEST_P(combined_waits, with_a_deadline_return_what_was_handed_over_before_it_passed) {
  run([] {
    channel<int> numbers{0};
    auto waiter = start_parked([&] { return with_timeout(numbers.async_recv(), 500h); });
    ASSERT_TRUE(numbers.try_send(1));  // on one seat the waiter runs only after the deadline has passed
    virtual_clock::active()->advance_to(now() + 501h);
    EXPECT_EQ(waiter.outcome(), 1);
  });
}

TEST_P(combined_waits, of_several_deadlines_obey_the_nearest) {
  run([] {
    channel<int> never{0};
    auto outer = start([&] { return with_timeout(with_timeout(never.async_recv(), 1000h), 1ms); });
    EXPECT_EQ(outer.outcome().error(), errc::timed_out);
    auto inner = start([&] { return with_timeout(with_timeout(never.async_recv(), 1ms), 1000h); });
    EXPECT_EQ(inner.outcome().error(), errc::timed_out);
    auto around = start([&] { return with_timeout(never.async_recv(), 1000h); }, 1ms);
    EXPECT_EQ(around.outcome().error(), errc::timed_out);
  });
}

TEST_P(combined_waits, with_a_deadline_are_cancelled_like_others) {
  run([] {
    channel<int> never{0};
    auto waiter = start_parked([&] { return with_timeout(never.async_recv(), 1000h); });
    waiter.cancel();
    EXPECT_EQ(waiter.outcome().error(), errc::cancelled);
  });
}

TEST_P(combined_waits, for_all_with_a_deadline_keep_what_came_in_time) {
  run([] {
    channel<int> ready{1}, never{0};
    ASSERT_TRUE(ready.try_send(1));
    auto [one, nothing] =
        start([&] { return with_timeout(when_all(ready.async_recv(), never.async_recv()), 1ms); }).outcome();
    EXPECT_EQ(one, 1);
    EXPECT_EQ(nothing.error(), errc::timed_out);
  });
}

TEST_P(combined_waits, that_are_shielded_outlast_cancel_and_the_deadline_around_them) {
  run([] {
    channel<int> numbers{0};
    auto waiter = start([&] { return shield(numbers.async_recv()); }, 1ms);
    waiter.run_until_parked();
    waiter.cancel();
    EXPECT_TRUE(sleep(1h));
    EXPECT_TRUE(waiter.is_parked());
    ASSERT_TRUE(numbers.send(1));
    EXPECT_EQ(waiter.outcome(), 1);
  });
}

TEST_P(combined_waits, that_are_shielded_obey_a_deadline_of_their_own) {
  run([] {
    channel<int> never{0};
    auto waiter = start([&] { return shield(with_timeout(never.async_recv(), 1ms)); });
    waiter.cancel();
    EXPECT_EQ(waiter.outcome().error(), errc::timed_out);
  });
}

TEST_P(combined_waits, end_when_a_foreign_stop_is_requested) {
  run([] {
    std::stop_source foreign;
    channel<int> never{0};
    auto waiter = start_parked([&] { return with_stop_token(never.async_recv(), foreign.get_token()); });
    foreign.request_stop();
    EXPECT_EQ(waiter.outcome().error(), errc::cancelled);
    EXPECT_FALSE(never.try_send(1)) << "nobody waits there any more";
    auto at_once = start([&] { return with_stop_token(never.async_recv(), foreign.get_token()); });
    EXPECT_EQ(at_once.outcome().error(), errc::cancelled);
  });
}

TEST_P(combined_waits, return_what_was_handed_over_before_a_foreign_stop) {
  run([] {
    std::stop_source foreign;
    channel<int> numbers{0};
    auto waiter = start_parked([&] { return with_stop_token(numbers.async_recv(), foreign.get_token()); });
    ASSERT_TRUE(numbers.try_send(1));
    foreign.request_stop();
    EXPECT_EQ(waiter.outcome(), 1);
  });
}

class combinators : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(combinators);

TEST_P(combinators, take_points_in_time_on_any_clock) {
  run([] {
    auto began = now();
    EXPECT_TRUE(sleep_until(std::chrono::system_clock::now() + 1h));
    EXPECT_GE(now() - began, 59min);
    EXPECT_LE(now() - began, 61min);
    EXPECT_TRUE(sleep_until(std::chrono::floor<std::chrono::seconds>(now()) + 1h)) << "a coarser one";
    EXPECT_TRUE(sleep_until(std::chrono::system_clock::time_point::min())) << "long past";
    channel<int> never{0};
    using days = std::chrono::days;
    using far = std::chrono::time_point<std::chrono::steady_clock, days>;
    deadline_scope limit{std::chrono::system_clock::now() + 2h};
    auto outcome = await(with_deadline(never.async_recv(), far::max()));
    EXPECT_EQ(outcome.error(), errc::timed_out) << "the nearer one";
    deadline_scope never_mind{std::chrono::system_clock::time_point::max()};
    EXPECT_EQ(never_mind.deadline(), limit.deadline());
  });
}

TEST_P(combinators, with_a_mutex_that_lose_leave_it_free) {
  run([] {
    mutex guard;
    guard.lock();
    auto loser = spawn([&] { return await(with_timeout(guard.async_lock(), 1s)); });
    EXPECT_EQ(loser.join().error(), errc::timed_out);
    guard.unlock();
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
  });
}

// ---- operations that cannot be left at once

TEST_P(combined_waits, for_all_take_calls_that_block_as_well) {
  run([] {
    channel<int> numbers{0};
    auto all = start([&] {
      return when_all(async_blocking([] { return std::string{"one"}; }), numbers.async_recv(), async_blocking([] {}),
                      shield(numbers.async_recv()));
    });
    ASSERT_TRUE(numbers.send(1));
    ASSERT_TRUE(numbers.send(2));
    auto [text, first, nothing, second] = all.outcome();
    EXPECT_EQ(text, "one");
    EXPECT_TRUE(nothing);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(*first + *second, 3);
  });
}

TEST_P(combined_waits, for_all_nest) {
  run([] {
    channel<int> a{0}, b{0};
    std::vector<int> some{1, 2, 3};
    channel<int> many{1};
    auto all = start_parked(
        [&] { return when_all(when_all(a.async_recv(), b.async_recv()), many.async_send_many(some), a.async_recv()); });
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(many.recv(), i);
    ASSERT_TRUE(a.send(1));
    ASSERT_TRUE(b.send(2));
    ASSERT_TRUE(a.send(3));
    auto [inner, sent, last] = all.outcome();
    EXPECT_TRUE(sent);
    EXPECT_EQ(std::get<1>(inner), 2);
    EXPECT_EQ(*std::get<0>(inner) + *last, 4);
  });
}

TEST_P(combined_waits, with_a_condition_hold_its_mutex_again_whichever_case_happened) {
  run([] {
    mutex guard;
    condition_variable changed;
    channel<int> numbers{0};
    for (int i = 0; i < 4; ++i) {
      auto wait = [&, i]() -> std::size_t {
        std::unique_lock lock{guard};
        auto outcome = await(async_select(changed.async_wait(lock), numbers.async_recv()));
        EXPECT_EQ(guard.holder(), &detail::current_task()) << i;
        return outcome ? outcome->index() : 2;
      };
      auto waiter = spawn(wait);
      run_until_parked(waiter);
      guard.lock();
      if (i % 2 == 0) {
        changed.notify_one();
      } else {
        ASSERT_TRUE(numbers.try_send(1));
      }
      if (i >= 2) waiter.cancel();  // too late
      guard.unlock();
      EXPECT_EQ(waiter.join(), static_cast<std::size_t>(i % 2));
    }
    auto cancelled = spawn([&] {
      std::unique_lock lock{guard};
      auto outcome = await(async_select(changed.async_wait(lock), numbers.async_recv()));
      return outcome ? std::error_code{} : outcome.error();
    });
    run_until_parked(cancelled);
    cancelled.cancel();
    EXPECT_EQ(cancelled.join(), errc::cancelled);
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
  });
}

TEST(combined_waits_that_run_to_their_end, outlast_a_cancel_and_the_others_do_not) {
  testing::run_on_virtual_clock(2, [] {
    std::binary_semaphore go{0};
    std::atomic<bool> began{false}, ended{false};
    channel<int> never{0};
    auto waiter = spawn([&] {
      return await(when_all(async_blocking([&] {
                              began = true;
                              go.acquire();
                              ended = true;
                              return 7;
                            }),
                            never.async_recv()));
    });
    while (!began) yield();
    waiter.cancel();
    EXPECT_FALSE(waiter.has_ended());
    go.release();
    auto [number, nothing] = waiter.join();
    EXPECT_TRUE(ended);
    EXPECT_EQ(number, 7);
    EXPECT_EQ(nothing.error(), errc::cancelled);
    auto late = spawn([&] {
      while (!cancelled()) yield();
      return await(when_all(async_blocking([] { return 7; }), never.async_recv()));
    });
    late.cancel();
    auto [not_begun, not_received] = late.join();
    EXPECT_EQ(not_begun.error(), errc::cancelled);
    EXPECT_EQ(not_received.error(), errc::cancelled);
  });
}

TEST(combined_waits_that_run_to_their_end, throw_what_they_throw_when_all_are_over) {
  testing::run_on_virtual_clock(1, [] {
    std::atomic<int> over{0};
    auto all = [&] {
      return await(when_all(async_blocking([&]() -> int {
                              ++over;
                              throw std::runtime_error{"thrown"};
                            }),
                            async_blocking([&] { return ++over; })));
    };
    EXPECT_THROW(static_cast<void>(all()), std::runtime_error);
    EXPECT_EQ(over, 2);
  });
}

}  // namespace
}  // namespace weft
