#include "tests/support/sync_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <weft/sync/channel.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;
using testing::sync_test;

class channel_waits : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(channel_waits);

TEST_P(channel_waits, of_a_receiver_end_with_the_value_that_is_sent) {
  run([] {
    for (std::size_t capacity : {std::size_t{0}, std::size_t{1}, unbounded}) {
      channel<int> numbers{capacity};
      auto receiver = start_parked([&] { return numbers.async_recv(); });
      EXPECT_TRUE(numbers.send(7));
      EXPECT_EQ(receiver.outcome(), 7);
    }
  });
}

TEST_P(channel_waits, of_receivers_end_in_the_order_in_which_they_began) {
  run([] {
    channel<int> numbers{1};
    auto first = start_parked([&] { return numbers.async_recv(); });
    auto second = start_parked([&] { return numbers.async_recv(); });
    auto third = start_parked([&] { return numbers.async_recv(); });
    for (int i = 1; i <= 3; ++i) ASSERT_TRUE(numbers.try_send(i));
    EXPECT_EQ(first.outcome(), 1);
    EXPECT_EQ(second.outcome(), 2);
    EXPECT_EQ(third.outcome(), 3);
  });
}

TEST_P(channel_waits, of_senders_end_in_the_order_in_which_they_began_and_nobody_overtakes) {
  run([] {
    for (std::size_t capacity : {std::size_t{0}, std::size_t{2}}) {
      channel<int> numbers{capacity};
      for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(numbers.try_send(static_cast<int>(i)));
      auto first = start_parked([&] { return numbers.async_send(10); });
      auto second = start_parked([&] { return numbers.async_send(11); });
      EXPECT_FALSE(numbers.try_send(12));
      for (std::size_t i = 0; i < capacity; ++i) EXPECT_EQ(numbers.recv(), static_cast<int>(i));
      EXPECT_EQ(numbers.recv(), 10);
      EXPECT_EQ(numbers.recv(), 11);
      EXPECT_TRUE(first.outcome());
      EXPECT_TRUE(second.outcome());
      EXPECT_EQ(numbers.size(), 0u);
    }
  });
}

TEST_P(channel_waits, of_a_receiver_that_is_cancelled_do_not_lose_a_value) {
  run([] {
    for (std::size_t capacity : {std::size_t{0}, std::size_t{1}, unbounded}) {
      channel<int> numbers{capacity};
      auto receiver = start_parked([&] { return numbers.async_recv(); });
      auto other = start_parked([&] { return numbers.async_recv(); });
      receiver.cancel();
      ASSERT_TRUE(numbers.try_send(7)) << "the other receives it";
      EXPECT_EQ(receiver.outcome().error(), errc::cancelled);
      EXPECT_EQ(other.outcome(), 7);
      EXPECT_EQ(numbers.try_recv(), std::nullopt);
    }
  });
}

TEST_P(channel_waits, of_a_receiver_that_is_cancelled_leave_a_value_sent_meanwhile_in_the_channel) {
  run([] {
    channel<int> numbers{1};
    auto receiver = start_parked([&] { return numbers.async_recv(); });
    receiver.cancel();
    ASSERT_TRUE(numbers.try_send(7));
    EXPECT_EQ(receiver.outcome().error(), errc::cancelled);
    EXPECT_EQ(numbers.try_recv(), 7);
  });
}

TEST_P(channel_waits, of_a_receiver_that_has_been_handed_a_value_return_it_even_if_cancelled) {
  run([] {
    channel<int> numbers{0};
    auto receiver = start_parked([&] { return numbers.async_recv(); });
    ASSERT_TRUE(numbers.try_send(7));
    receiver.cancel();
    numbers.close();
    EXPECT_EQ(receiver.outcome(), 7);
  });
}

TEST_P(channel_waits, of_a_receiver_time_out_and_leave_later_values_in_the_channel) {
  run([] {
    channel<int> numbers{1};
    EXPECT_EQ(start([&] { return numbers.async_recv(); }, 1s).outcome().error(), errc::timed_out);
    EXPECT_TRUE(numbers.try_send(7));
    EXPECT_EQ(numbers.try_recv(), 7);
  });
}

TEST_P(channel_waits, of_a_sender_that_is_cancelled_hand_the_value_back) {
  run([] {
    channel<std::unique_ptr<int>> full{0};
    auto sender = start_parked([&] { return full.async_send(std::make_unique<int>(1)); });
    sender.cancel();
    auto outcome = sender.outcome();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().reason, errc::cancelled);
    EXPECT_EQ(*outcome.error().value, 1);
    EXPECT_FALSE(full.try_recv());
  });
}

TEST_P(channel_waits, of_a_sender_time_out_and_hand_the_value_back) {
  run([] {
    channel<std::unique_ptr<int>> full{1};
    ASSERT_TRUE(full.try_send(nullptr));
    auto outcome = start([&] { return full.async_send(std::make_unique<int>(1)); }, 1s).outcome();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().reason, errc::timed_out);
    EXPECT_EQ(*outcome.error().value, 1);
    EXPECT_EQ(full.size(), 1u);
  });
}

TEST_P(channel_waits, of_a_sender_whose_value_was_taken_succeed_even_if_cancelled) {
  run([] {
    for (std::size_t capacity : {std::size_t{0}, std::size_t{1}}) {
      channel<int> numbers{capacity};
      if (capacity == 1) {
        ASSERT_TRUE(numbers.try_send(6));
      }
      auto sender = start_parked([&] { return numbers.async_send(7); });
      EXPECT_EQ(numbers.try_recv(), capacity == 1 ? 6 : 7);
      sender.cancel();
      EXPECT_TRUE(sender.outcome());
      if (capacity == 1) {
        EXPECT_EQ(numbers.try_recv(), 7);
      }
    }
  });
}

TEST_P(channel_waits, of_a_cancelled_sender_are_passed_over_by_a_receiver_before_it_is_gone) {
  run([] {
    channel<int> numbers{1};
    ASSERT_TRUE(numbers.try_send(1));
    auto impatient = start_parked([&] { return numbers.async_send(2); });
    auto patient = start_parked([&] { return numbers.async_send(3); });
    impatient.cancel();
    EXPECT_EQ(numbers.try_recv(), 1);
    EXPECT_EQ(impatient.outcome().error().reason, errc::cancelled);
    EXPECT_TRUE(patient.outcome());
    EXPECT_EQ(numbers.try_recv(), 3);
  });
}

TEST_P(channel_waits, end_when_the_channel_is_closed_and_senders_get_their_values_back) {
  run([] {
    channel<std::unique_ptr<int>> full{0};
    auto sender = start_parked([&] { return full.async_send(std::make_unique<int>(2)); });
    full.close();
    auto outcome = sender.outcome();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().reason, errc::closed);
    EXPECT_EQ(*outcome.error().value, 2);

    channel<int> empty{4};
    auto receiver = start_parked([&] { return empty.async_recv(); });
    empty.close();
    EXPECT_EQ(receiver.outcome().error(), errc::closed);
  });
}

TEST_P(channel_waits, do_not_begin_on_a_closed_channel_and_what_is_left_is_received) {
  run([] {
    channel<int> numbers{4};
    ASSERT_TRUE(numbers.try_send(1));
    ASSERT_TRUE(numbers.try_send(2));
    numbers.close();
    numbers.close();
    EXPECT_TRUE(numbers.is_closed());
    EXPECT_EQ(start([&] { return numbers.async_send(3); }).outcome().error().reason, errc::closed);
    EXPECT_EQ(start([&] { return numbers.async_recv(); }).outcome(), 1);
    EXPECT_EQ(start([&] { return numbers.async_recv(); }).outcome(), 2);
    EXPECT_EQ(start([&] { return numbers.async_recv(); }).outcome().error(), errc::closed);
  });
}

class channels : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(channels);

TEST_P(channels, are_first_in_first_out_and_make_senders_wait) {
  run([] {
    channel<int> numbers{2};
    auto sender = spawn([&] {
      for (int i = 0; i < 100; ++i) ASSERT_TRUE(numbers.send(i));
      numbers.close();
    });
    run_until_parked(sender);
    EXPECT_EQ(numbers.size(), 2u);
    int expected = 0;
    for (int number : numbers) EXPECT_EQ(number, expected++);
    EXPECT_EQ(expected, 100);
    sender.join();
  });
}

TEST_P(channels, keep_the_order_of_each_of_many_senders) {
  run([] {
    for (std::size_t capacity : {std::size_t{0}, std::size_t{3}, unbounded}) {
      channel<std::pair<int, int>> values{capacity};
      constexpr int senders = 8, each = 200;
      scope all;
      std::atomic<int> left{senders};
      for (int sender = 0; sender < senders; ++sender) {
        all.spawn([&, sender] {
          for (int i = 0; i < each; ++i) EXPECT_TRUE(values.send({sender, i}));
          if (--left == 0) values.close();
        });
      }
      std::vector<int> next(senders, 0);
      for (auto [sender, number] : values) EXPECT_EQ(number, next[static_cast<std::size_t>(sender)]++);
      EXPECT_EQ(next, std::vector<int>(senders, each));
      all.join();
    }
  });
}

TEST_P(channels, that_are_unbounded_never_make_a_sender_wait) {
  run([] {
    channel<int> numbers{unbounded};
    int sent = 0, received = 0;
    for (int burst : {1, 10'000, 3, 5'000, 1}) {
      for (int i = 0; i < burst; ++i) ASSERT_TRUE(numbers.try_send(sent++));
      for (int i = 0; i < burst - 1; ++i) ASSERT_EQ(numbers.try_recv(), received++);
    }
    EXPECT_EQ(numbers.size(), static_cast<std::size_t>(sent - received));
    while (auto number = numbers.try_recv()) EXPECT_EQ(*number, received++);
    EXPECT_EQ(sent, received);
  });
}

TEST_P(channels, destroy_the_values_that_nobody_received) {
  run([] {
    auto value = std::make_shared<int>(1);
    for (std::size_t capacity : {std::size_t{1000}, unbounded}) {
      channel<std::shared_ptr<int>> values{capacity};
      for (int i = 0; i < 1000; ++i) ASSERT_TRUE(values.try_send(value));
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(values.try_recv());
      EXPECT_EQ(value.use_count(), 991);
    }
    EXPECT_EQ(value.use_count(), 1);
  });
}

TEST_P(channels, are_shared_by_a_coroutine_and_a_virtual_thread) {
  run([] {
    channel<int> numbers{0};
    auto coroutine = spawn([&]() -> task<int> {
      int sum = 0;
      while (auto number = co_await numbers.async_recv()) sum += *number;
      co_return sum;
    });
    for (int i = 1; i <= 100; ++i) ASSERT_TRUE(numbers.send(i));
    numbers.close();
    EXPECT_EQ(coroutine.join(), 5050);
  });
}

TEST_P(channels, end_a_range_for_when_the_task_is_cancelled) {
  run([] {
    channel<int> numbers{4};
    auto receiver = spawn([&] {
      int count = 0;
      for (auto number : numbers) count += number;
      return count;
    });
    ASSERT_TRUE(numbers.send(3));
    run_until_parked(receiver);
    receiver.cancel();
    EXPECT_EQ(receiver.join(), 3);
  });
}

TEST_P(channels, may_be_destroyed_by_the_receiver_while_send_or_close_returns) {
  run([] {
    for (int round = 0; round < 500; ++round) {
      auto shared = std::make_unique<channel<int>>(round % 3 == 0 ? 0u : 1u);
      auto receiver = spawn([&] {
        if (round % 2 == 0) {
          EXPECT_TRUE(shared->recv());
        } else {
          EXPECT_EQ(shared->recv().error(), errc::closed);
        }
        shared.reset();
      });
      if (round % 5 == 0) run_until_parked(receiver);
      if (round % 2 == 0) {
        EXPECT_TRUE(shared->send(1));
      } else {
        shared->close();
      }
      receiver.join();
    }
  });
}

TEST(channel_misuse, destroying_a_channel_on_which_somebody_waits_ends_the_program_with_advice) {
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               auto numbers = std::make_unique<channel<int>>(0);
                                               auto receiver = spawn([&] { return numbers->recv(); });
                                               run_until_parked(receiver);
                                               numbers.reset();
                                             }),
               "destroyed only when nobody waits on it");
}

TEST(channel_misuse, a_capacity_beyond_memory_is_bad_alloc_that_says_so) {
  using numbers = channel<long>;
  try {
    numbers{unbounded - 1};
    FAIL() << "made";
  } catch (const std::bad_alloc& error) {
    EXPECT_STREQ(error.what(),
                 "no memory for a channel with room for 18446744073709551614 values of 8 bytes: give it "
                 "less room");
  }
}

}  // namespace
}  // namespace weft
