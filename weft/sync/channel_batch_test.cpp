#include "tests/support/sync_fixture.hpp"

#include <memory>
#include <numeric>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/deadline_scope.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;
using testing::sync_test;

class channel_batches : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(channel_batches);

TEST_P(channel_batches, are_received_as_far_as_they_are_there) {
  run([] {
    for (std::size_t capacity : {std::size_t{8}, unbounded}) {
      channel<int> numbers{capacity};
      std::vector<int> into{-1};
      auto receiver = start_parked([&] { return numbers.async_recv_many(into, 4); });
      ASSERT_TRUE(numbers.try_send(0));
      EXPECT_EQ(receiver.outcome(), 1u);
      for (int i = 1; i <= 6; ++i) ASSERT_TRUE(numbers.try_send(i));
      EXPECT_EQ(start([&] { return numbers.async_recv_many(into, 4); }).outcome(), 4u);
      EXPECT_EQ(start([&] { return numbers.async_recv_many(into, 4); }).outcome(), 2u);
      EXPECT_EQ(into, (std::vector{-1, 0, 1, 2, 3, 4, 5, 6}));
      numbers.close();
      EXPECT_EQ(start([&] { return numbers.async_recv_many(into, 4); }).outcome().error(), errc::closed);
    }
  });
}

TEST_P(channel_batches, take_the_values_of_senders_that_wait) {
  run([] {
    for (std::size_t capacity : {std::size_t{0}, std::size_t{2}}) {
      channel<int> numbers{capacity};
      std::vector<int> sent(10), received;
      std::iota(sent.begin(), sent.end(), 0);
      auto sender = start_parked([&] { return numbers.async_send_many(sent); });
      while (received.size() != 10) ASSERT_TRUE(numbers.recv_many(received, 100));
      EXPECT_TRUE(sender.outcome());
      EXPECT_EQ(received, sent);
    }
  });
}

TEST_P(channel_batches, that_are_cancelled_say_how_many_were_sent_and_keep_the_others) {
  run([] {
    channel<std::unique_ptr<int>> owners{2};
    std::vector<std::unique_ptr<int>> values;
    for (int i = 0; i < 5; ++i) values.push_back(std::make_unique<int>(i));
    auto sender = start_parked([&] { return owners.async_send_many(values); });
    EXPECT_EQ(**owners.recv(), 0);
    sender.run_until_parked();
    sender.cancel();
    sender.cancel();
    auto outcome = sender.outcome();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().reason, errc::cancelled);
    auto sent = outcome.error().sent;
    EXPECT_TRUE(sent == 2 || sent == 3) << sent;
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(values[i] == nullptr, i < sent);
      if (values[i]) {
        EXPECT_EQ(*values[i], static_cast<int>(i));
      }
    }
    EXPECT_EQ(owners.size() + 1, sent);
  });
}

TEST_P(channel_batches, end_when_the_channel_is_closed_and_keep_what_was_not_sent) {
  run([] {
    channel<int> numbers{2};
    std::vector<int> values{1, 2, 3};
    auto sender = start_parked([&] { return numbers.async_send_many(values); });
    numbers.close();
    auto outcome = sender.outcome();
    EXPECT_EQ(outcome.error().reason, errc::closed);
    EXPECT_EQ(outcome.error().sent, 2u);
    EXPECT_EQ(start([&] { return numbers.async_send_many(values); }).outcome().error().sent, 0u);
  });
}

class timed_channels : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(timed_channels);

TEST_P(timed_channels, wait_no_longer_than_is_asked_and_hand_the_value_back) {
  run([] {
    channel<int> full{0};
    auto began = now();
    auto unsent = full.send_for(7, 2ms);
    EXPECT_EQ(unsent.error().reason, errc::timed_out);
    EXPECT_EQ(unsent.error().value, 7);
    EXPECT_GE(now() - began, 2ms);
    EXPECT_EQ(full.send_until(8, now() + 1s).error().value, 8);
    EXPECT_EQ(full.recv_for(1s).error(), errc::timed_out);
    EXPECT_EQ(full.recv_until(now() + 1s).error(), errc::timed_out);
    auto receiver = spawn([&] { return full.recv_for(std::chrono::hours::max()); });
    run_until_parked(receiver);
    EXPECT_TRUE(full.send_for(9, 1h));
    EXPECT_EQ(receiver.join(), 9);
  });
}

TEST_P(timed_channels, with_a_time_that_has_passed_do_what_needs_no_wait) {
  run([] {
    channel<int> numbers{1};
    EXPECT_TRUE(numbers.send_for(1, -1h));
    EXPECT_EQ(numbers.send_for(2, -1h).error().reason, errc::timed_out);
    EXPECT_EQ(numbers.send_until(2, time_point::min()).error().value, 2);
    EXPECT_EQ(numbers.recv_until(now() - 1h), 1);
    EXPECT_EQ(numbers.recv_for(0s).error(), errc::timed_out);
    deadline_scope passed{-1h};
    EXPECT_EQ(numbers.recv().error(), errc::timed_out);
  });
}

// Each race between what ends a wait and what else happens to it, forced: on one seat the task whose wait was decided
// does not run before the test lets it, and the virtual clock moves only when the test waits.

class races : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(races);

TEST_P(races, of_a_close_and_a_cancel_are_won_by_the_first) {
  run([] {
    channel<int> first{0}, second{0};
    auto closed = start_parked([&] { return first.async_send(1); });
    first.close();
    closed.cancel();
    EXPECT_EQ(closed.outcome().error().reason, errc::closed);
    auto cancelled = start_parked([&] { return second.async_send(1); });
    cancelled.cancel();
    second.close();
    EXPECT_EQ(cancelled.outcome().error().reason, errc::cancelled);
  });
}

TEST_P(races, of_a_hand_over_and_a_close_are_won_by_the_first) {
  run([] {
    channel<int> numbers{0};
    auto receiver = start_parked([&] { return numbers.async_recv(); });
    ASSERT_TRUE(numbers.try_send(1));
    numbers.close();
    EXPECT_EQ(receiver.outcome(), 1);
  });
}

class races_with_time : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(races_with_time);

TEST_P(races_with_time, of_a_deadline_and_a_hand_over_lose_nothing) {
  run([] {
    for (int round = 0; round < 200; ++round) {
      // Both are due at the same instant; which one's timer fires first alternates with who armed first.
      channel<int> numbers{1};
      auto due = now() + 1ms;
      auto receive = [&] { return numbers.recv_until(due); };
      join_handle<result<int>> receiver;
      if (round % 2 == 0) {
        receiver = spawn(receive);
        run_until_parked(receiver);
      }
      auto sender = spawn([&] {
        EXPECT_TRUE(sleep_until(due));
        return numbers.try_send(round).has_value();
      });
      run_until_parked(sender);
      if (round % 2 == 1) receiver = spawn(receive);
      EXPECT_TRUE(sender.join());
      auto received = receiver.join();
      if (!received) {
        EXPECT_EQ(received.error(), errc::timed_out);
      }
      EXPECT_EQ(numbers.try_recv().has_value(), !received.has_value()) << "in one of two places";
    }
  });
}

TEST_P(races_with_time, of_a_deadline_and_a_cancel_and_a_close_end_the_wait_once) {
  run([] {
    for (int round = 0; round < 200; ++round) {
      channel<int> numbers{0};
      auto due = now() + 1ms;
      auto sender = spawn([&] { return numbers.send_until(round, due); });
      run_until_parked(sender);
      auto canceller = spawn([&] {
        EXPECT_TRUE(sleep_until(due));
        if (round % 2 == 0) sender.cancel();
        numbers.close();
      });
      canceller.join();
      auto outcome = sender.join();
      ASSERT_FALSE(outcome);
      EXPECT_EQ(outcome.error().value, round);
    }
  });
}

TEST(races_between_seats, of_a_wait_that_is_resumed_elsewhere_and_a_cancel_return_what_was_handed_over) {
  testing::run_on_virtual_clock(3, [] {
    for (int round = 0; round < 100; ++round) {
      channel<int> numbers{0};
      std::atomic<bool> over{false};
      auto receiver = spawn([&] {
        auto received = numbers.recv();
        over = true;
        return received;
      });
      run_until_parked(receiver);
      ASSERT_TRUE(numbers.try_send(round));
      // It keeps its seat, so that the receiver goes on at another, if it does before the cancel.
      for (int spins = 0; round % 2 == 0 && !over && spins < 100'000; ++spins) base::pause();
      receiver.cancel();
      EXPECT_EQ(receiver.join(), round);
    }
  });
}

TEST(channel_misuse, of_a_receive_of_many_that_wants_none_ends_the_program_with_advice) {
  EXPECT_DEATH(
      {
        channel<int> numbers{4};
        std::vector<int> into;
        static_cast<void>(numbers.recv_many(into, 0));
      },
      "receive one value at the least");
}

}  // namespace
}  // namespace weft
