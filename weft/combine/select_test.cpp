#include "tests/support/sync_fixture.hpp"

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/deadline_scope.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;
using testing::section;
using testing::sync_test;

class select_waits : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(select_waits);

TEST_P(select_waits, take_from_exactly_one_channel) {
  run([] {
    channel<int> numbers{1};
    channel<std::string> words{1};
    auto chooser = start_parked([&] { return async_select(numbers.async_recv(), words.async_recv()); });
    ASSERT_TRUE(words.try_send("word"));
    ASSERT_TRUE(numbers.try_send(5));
    auto outcome = chooser.outcome();
    ASSERT_TRUE(outcome);
    ASSERT_EQ(outcome->index(), 1u);
    EXPECT_EQ(std::get<1>(*outcome), "word");
    EXPECT_EQ(numbers.try_recv(), 5);
  });
}

TEST_P(select_waits, send_into_exactly_one_channel) {
  run([] {
    channel<int> left{0}, right{0};
    auto chooser = start_parked([&] { return async_select(left.async_send(1), right.async_send(2)); });
    EXPECT_EQ(right.try_recv(), 2);
    EXPECT_EQ(left.try_recv(), std::nullopt);
    auto outcome = chooser.outcome();
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->index(), 1u);
  });
}

TEST_P(select_waits, that_are_cancelled_have_taken_nothing) {
  run([] {
    channel<int> in{0}, out{0};
    mutex guard;
    guard.lock();
    semaphore permits{0};
    auto chooser = start_parked(
        [&] { return async_select(in.async_recv(), out.async_send(3), guard.async_lock(), permits.async_acquire()); });
    chooser.cancel();
    EXPECT_EQ(chooser.outcome().error(), errc::cancelled);
    EXPECT_EQ(out.try_recv(), std::nullopt);
    EXPECT_FALSE(in.try_send(1));
    guard.unlock();
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
    permits.release();
    EXPECT_TRUE(permits.try_acquire());
  });
}

TEST_P(select_waits, that_are_cancelled_after_a_case_was_decided_return_it) {
  run([] {
    channel<int> numbers{0}, other{0};
    auto chooser = start_parked([&] { return async_select(numbers.async_recv(), other.async_recv()); });
    ASSERT_TRUE(numbers.try_send(4));
    chooser.cancel();
    auto outcome = chooser.outcome();
    ASSERT_TRUE(outcome);
    EXPECT_EQ(std::get<0>(*outcome), 4);
  });
}

TEST_P(select_waits, time_out) {
  run([] {
    channel<int> never{0};
    auto outcome = start([&] { return async_select(never.async_recv(), never.async_send(1)); }, 1s).outcome();
    EXPECT_EQ(outcome.error(), errc::timed_out);
    EXPECT_EQ(never.try_recv(), std::nullopt);
  });
}

TEST_P(select_waits, with_a_timer_end_when_it_is_due) {
  run([] {
    channel<int> never{0};
    auto outcome = start([&] {
                     return async_select(never.async_recv(), async_sleep(2us), async_sleep(1us), async_sleep(3us));
                   }).outcome();
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->index(), 2u);
  });
}

TEST_P(select_waits, with_a_timer_end_before_it_when_something_else_happens) {
  run([] {
    if (std::get<1>(GetParam()) == testing::waiter_kind::os_thread) return;  // an hour of its own is not virtual
    channel<int> numbers{0};
    auto start_of_test = now();
    auto chooser = start_parked([&] { return async_select(numbers.async_recv(), async_sleep(1h)); });
    ASSERT_TRUE(numbers.try_send(1));
    EXPECT_EQ(chooser.outcome()->index(), 0u);
    EXPECT_LT(now() - start_of_test, 1h);
  });
}

TEST_P(select_waits, end_with_the_lock_the_permit_the_event_or_the_end_of_a_task) {
  run([] {
    mutex guard;
    guard.lock();
    semaphore permits{0};
    event happened, ended;
    auto other = spawn([&] { EXPECT_TRUE(ended.wait()); });
    auto one_of_all = [&] {
      return async_select(section{guard}, permits.async_acquire(), happened.async_wait(), other.async_wait());
    };
    auto chooser = start_parked(one_of_all);
    guard.unlock();
    EXPECT_EQ(chooser.outcome()->index(), 0u);
    ASSERT_TRUE(guard.try_lock());

    auto second = start_parked(one_of_all);
    permits.release();
    EXPECT_EQ(second.outcome()->index(), 1u);
    EXPECT_FALSE(permits.try_acquire());

    auto third = start_parked(one_of_all);
    happened.set();
    EXPECT_EQ(third.outcome()->index(), 2u);
    happened.reset();

    auto fourth = start_parked(one_of_all);
    ended.set();
    EXPECT_EQ(fourth.outcome()->index(), 3u);
    guard.unlock();
    other.join();
  });
}

TEST_P(select_waits, end_with_errc_closed_as_the_value_of_the_case_that_was_closed) {
  run([] {
    channel<int> numbers{0};
    channel<std::unique_ptr<int>> out{0};
    auto chooser =
        start_parked([&] { return async_select(numbers.async_recv(), out.async_send(std::make_unique<int>(1))); });
    out.close();
    auto outcome = chooser.outcome();
    ASSERT_EQ(outcome->index(), 1u);
    EXPECT_EQ(std::get<1>(*outcome).error().reason, errc::closed);
    EXPECT_EQ(*std::get<1>(*outcome).error().value, 1);
  });
}

TEST_P(select_waits, to_send_to_and_to_receive_from_one_channel_do_not_meet_themselves) {
  run([] {
    channel<int> meeting{0};
    auto chooser = start_parked([&] { return async_select(meeting.async_send(1), meeting.async_recv()); });
    auto other = start([&] { return async_select(meeting.async_send(2), meeting.async_recv()); }).outcome();
    auto outcome = chooser.outcome();
    ASSERT_TRUE(outcome && other);
    EXPECT_NE(outcome->index(), other->index());
    EXPECT_EQ(meeting.try_recv(), std::nullopt);
  });
}

TEST_P(select_waits, of_two_that_offer_each_other_both_ways_meet_once) {
  run([] {
    for (int round = 0; round < 100; ++round) {
      channel<int> there{0}, back{0};
      auto left = start([&] { return async_select(there.async_send(1), back.async_recv()); });
      auto right = start([&] { return async_select(there.async_recv(), back.async_send(2)); });
      EXPECT_EQ(left.outcome()->index(), right.outcome()->index());
    }
  });
}

TEST_P(select_waits, take_one_value_of_a_thousand_channels) {
  run([] {
    std::deque<channel<std::size_t>> channels;
    for (int i = 0; i < 1000; ++i) channels.emplace_back(1u);
    std::vector<channel<std::size_t>::recv_operation> receives;
    for (auto& each : channels) receives.push_back(each.async_recv());
    auto chooser = start_parked([&] { return async_select_from(std::span{receives}); });
    ASSERT_TRUE(channels[617].try_send(617));
    ASSERT_TRUE(channels[3].try_send(3));
    auto outcome = chooser.outcome();
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->index, 617u);
    EXPECT_EQ(outcome->value, 617u);
    auto next = start([&] { return async_select_from(std::span{receives}); }).outcome();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->index, 3u);
    ASSERT_TRUE(channels[617].try_send(618)) << "the operation that happened is used again";
    EXPECT_EQ(start([&] { return async_select_from(std::span{receives}); }).outcome()->value, 618u);
  });
}

class selects : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(selects);

TEST_P(selects, choose_among_ready_cases_with_equal_chances) {
  run([] {
    channel<int> first{1}, second{1}, third{1};
    std::array<int, 3> chosen{};
    constexpr int rounds = 3000;
    for (auto* each : {&first, &second, &third}) ASSERT_TRUE(each->try_send(0));
    for (int i = 0; i < rounds; ++i) {
      auto outcome = select(first.async_recv(), second.async_recv(), third.async_recv());
      ++chosen[outcome->index()];
      ASSERT_TRUE((std::array{&first, &second, &third})[outcome->index()]->try_send(0));
    }
    // 1,000 expected each, with a deviation of 26.
    for (int count : chosen) EXPECT_GT(count, 800);
  });
}

TEST_P(selects, leave_an_operation_that_is_referred_to_to_be_used_again) {
  run([] {
    channel<std::unique_ptr<int>> out{0};
    channel<int> in{1};
    auto sending = out.async_send(std::make_unique<int>(5));
    ASSERT_TRUE(in.try_send(1));
    EXPECT_EQ(select(sending, in.async_recv())->index(), 1u);
    EXPECT_EQ(*sending.value(), 5) << "not sent, not lost";
    auto receiver = spawn([&] { return out.recv(); });
    EXPECT_EQ(select(sending, in.async_recv())->index(), 0u);
    EXPECT_EQ(*receiver.join().value(), 5);
  });
}

TEST_P(selects, that_only_try_do_not_wait_and_take_nothing_when_nothing_is_ready) {
  run([] {
    channel<int> in{1}, out{0};
    EXPECT_FALSE(try_select(in.async_recv(), out.async_send(1)));
    ASSERT_TRUE(in.try_send(3));
    auto taken = try_select(in.async_recv(), out.async_send(1));
    ASSERT_TRUE(taken);
    EXPECT_EQ(std::get<0>(*taken), 3);
    EXPECT_EQ(in.try_recv(), std::nullopt);
  });
}

/// Receives; while it looks, and finds nothing, the value that another channel had comes to this one.
struct recv_beside_a_mover : channel<int>::recv_operation {
  recv_beside_a_mover(channel<int>& from, channel<int>& other) : recv_operation{from}, from_{&from}, other_{&other} {}
  bool try_complete() {
    if (recv_operation::try_complete()) return true;
    static_cast<void>(from_->try_send(1));
    static_cast<void>(other_->try_recv());
    return false;
  }
  channel<int>* from_;
  channel<int>* other_;
};

/// The same of a permit.
struct acquire_beside_a_mover : detail::acquire_operation {
  acquire_beside_a_mover(semaphore& from, semaphore& other)
      : acquire_operation{from, 1}, from_{&from}, other_{&other} {}
  bool try_complete() {
    if (acquire_operation::try_complete()) return true;
    from_->release();
    static_cast<void>(other_->try_acquire());
    return false;
  }
  semaphore* from_;
  semaphore* other_;
};

TEST_P(selects, that_only_try_look_at_all_cases_at_the_same_moment) {
  auto expect_one_each_time = [] {
    for (int i = 0; i < 100; ++i) {
      // At every moment one of the two has something.
      channel<int> first{1}, second{1};
      ASSERT_TRUE(second.try_send(1));
      EXPECT_TRUE(try_select(recv_beside_a_mover{first, second}, second.async_recv())) << i;
      EXPECT_EQ(first.size() + second.size(), 0u);
      semaphore left{0}, right{1};
      EXPECT_TRUE(try_select(acquire_beside_a_mover{left, right}, right.async_acquire())) << i;
      EXPECT_EQ(left.available() + right.available(), 0u);
    }
  };
  run([&] {
    expect_one_each_time();
    spawn([&]() -> task<> {
      expect_one_each_time();
      co_return;
    }).join();
    blocking(expect_one_each_time);
    auto cancelled = spawn(expect_one_each_time);
    cancelled.cancel();
    cancelled.join();
  });
}

TEST_P(selects, that_only_try_are_found_by_nobody_afterwards) {
  run([] {
    channel<int> first{0}, second{0};
    semaphore permits{0};
    event happened;
    for (int i = 0; i < 10; ++i) {
      EXPECT_FALSE(try_select(first.async_recv(), first.async_send(1), second.async_send(2), permits.async_acquire(),
                              happened.async_wait()));
    }
    EXPECT_FALSE(first.try_send(3)) << "nobody receives";
    EXPECT_FALSE(second.try_recv());
    permits.release();
    EXPECT_EQ(permits.available(), 1u);
  });
}

TEST_P(selects, with_a_lock_that_lose_leave_it_to_the_next_waiter) {
  run([] {
    mutex guard;
    channel<int> numbers{1};
    guard.lock();
    auto chooser = spawn([&] { return select(guard.async_lock(), numbers.async_recv())->index(); });
    run_until_parked(chooser);
    auto next = spawn([&] { std::scoped_lock lock{guard}; });
    run_until_parked(next);
    ASSERT_TRUE(numbers.try_send(1));  // decided, but its place in the mutex's queue is still taken, on one seat
    guard.unlock();
    EXPECT_EQ(chooser.join(), 1u);
    next.join();
  });
}

TEST(select_on_an_os_thread, waits_for_channels_and_timers_without_a_runtime) {
  channel<int> never{0};
  auto outcome = select(never.async_recv(), async_sleep(1us));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->index(), 1u);
  channel<int> numbers{0};
  std::thread sender{[&] { EXPECT_TRUE(numbers.send(1)); }};
  EXPECT_EQ(select(numbers.async_recv(), async_sleep(1h))->index(), 0u);
  sender.join();
  deadline_scope limit{1us};
  EXPECT_EQ(select(never.async_recv(), async_sleep(1h)).error(), errc::timed_out);
}

}  // namespace
}  // namespace weft
