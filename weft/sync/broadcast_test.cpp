#include "tests/support/sync_fixture.hpp"

#include <memory>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/sync/broadcast.hpp>
#include <weft/sync/latest_value.hpp>
#include <weft/sync/oneshot.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;
using testing::sync_test;

class broadcast_waits : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(broadcast_waits);

TEST_P(broadcast_waits, of_all_receivers_end_with_the_value_that_is_sent) {
  run([] {
    broadcast<int> news{4};
    auto left = news.subscribe(), right = news.subscribe();
    auto first = start_parked([&] { return left.async_recv(); });
    auto second = start_parked([&] { return right.async_recv(); });
    EXPECT_TRUE(news.send(7));
    EXPECT_EQ(first.outcome(), 7);
    EXPECT_EQ(second.outcome(), 7);
    EXPECT_EQ(left.try_recv().error().reason, errc::unavailable);
  });
}

TEST_P(broadcast_waits, that_are_cancelled_or_time_out_leave_the_receiver_where_it_was) {
  run([] {
    broadcast<int> news{4};
    auto receiver = news.subscribe();
    EXPECT_EQ(start([&] { return receiver.async_recv(); }, 1s).outcome().error().reason, errc::timed_out);
    auto waiter = start_parked([&] { return receiver.async_recv(); });
    waiter.cancel();
    EXPECT_TRUE(news.send(1));
    EXPECT_EQ(waiter.outcome().error().reason, errc::cancelled);
    EXPECT_EQ(receiver.recv(), 1);
  });
}

TEST_P(broadcast_waits, end_when_it_is_closed) {
  run([] {
    broadcast<int> news{4};
    auto receiver = news.subscribe(), behind = news.subscribe();
    EXPECT_TRUE(news.send(1));
    EXPECT_EQ(receiver.recv(), 1);
    auto waiter = start_parked([&] { return receiver.async_recv(); });
    news.close();
    news.close();
    waiter.cancel();  // too late
    EXPECT_EQ(waiter.outcome().error().reason, errc::closed);
    EXPECT_EQ(start([&] { return behind.async_recv(); }).outcome(), 1) << "what was sent before is received";
    EXPECT_EQ(behind.recv().error().reason, errc::closed);
    auto unsent = news.send(2);
    EXPECT_EQ(unsent.error().reason, errc::closed);
    EXPECT_EQ(unsent.error().value, 2);
  });
}

TEST_P(broadcast_waits, are_cases_of_a_select) {
  run([] {
    broadcast<int> news{4};
    latest_value<int> state{0};
    oneshot<int> answer;
    auto receiver = news.subscribe();
    auto reader = state.subscribe();
    EXPECT_EQ(reader.recv(), 0);
    auto all = [&] { return async_select(receiver.async_recv(), reader.async_recv(), answer.async_recv()); };
    auto first = start_parked(all);
    EXPECT_TRUE(state.set(2));
    EXPECT_EQ(first.outcome()->index(), 1u);
    auto second = start_parked(all);
    EXPECT_TRUE(answer.send(3));
    EXPECT_EQ(second.outcome()->index(), 2u);
    EXPECT_TRUE(news.send(1));
    EXPECT_EQ(receiver.recv(), 1) << "the selects have taken nothing of it";
  });
}

class broadcasts : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(broadcasts);

TEST_P(broadcasts, tell_a_receiver_that_lags_how_much_it_has_lost) {
  run([] {
    broadcast<int> news{3};
    auto receiver = news.subscribe();
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(news.send(i));
    auto lost = receiver.recv();
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().reason, errc::lagged);
    EXPECT_EQ(lost.error().lost, 7u);
    for (int i = 7; i < 10; ++i) EXPECT_EQ(receiver.recv(), i);
    auto late = news.subscribe();
    EXPECT_TRUE(news.send(10));
    EXPECT_EQ(late.recv(), 10) << "from its subscription on";
    EXPECT_EQ(receiver.recv(), 10);
  });
}

TEST_P(broadcasts, give_every_receiver_every_value_or_count_it_as_lost) {
  run([] {
    broadcast<int> news{16};
    constexpr int sent = 2000;
    scope all;
    for (int i = 0; i < 6; ++i) {
      all.spawn([&, receiver = news.subscribe(), i]() mutable {
        std::uint64_t received = 0, lost = 0;
        for (int last = -1;;) {
          auto value = receiver.recv();
          if (value) {
            EXPECT_GT(*value, last);
            last = *value;
            ++received;
          } else if (value.error().reason == errc::lagged) {
            lost += value.error().lost;
          } else {
            break;
          }
          if (i % 2 == 0 && received % 8 == 0) yield();
        }
        EXPECT_EQ(received + lost, static_cast<std::uint64_t>(sent));
      });
    }
    for (int i = 0; i < sent; ++i) {
      EXPECT_TRUE(news.send(i));
      if (i % 8 == 0) yield();
    }
    news.close();
  });
}

TEST_P(broadcasts, share_values_and_let_go_of_those_that_are_overwritten) {
  run([] {
    auto value = std::make_shared<const int>(1);
    {
      broadcast<std::shared_ptr<const int>> news{2};
      auto receiver = news.subscribe();
      for (int i = 0; i < 5; ++i) EXPECT_TRUE(news.send(value));
      EXPECT_EQ(value.use_count(), 3);
    }
    EXPECT_EQ(value.use_count(), 1);
  });
}

class latest_values : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(latest_values);

TEST_P(latest_values, are_read_once_and_only_the_latest) {
  run([] {
    latest_value<int> state{1};
    auto reader = state.subscribe();
    EXPECT_EQ(start([&] { return reader.async_recv(); }).outcome(), 1);
    EXPECT_EQ(reader.try_recv(), std::nullopt);
    for (int i = 2; i <= 5; ++i) EXPECT_TRUE(state.set(i));
    EXPECT_EQ(state.get(), 5);
    EXPECT_EQ(reader.try_recv(), 5);
    auto waiter = start_parked([&] { return reader.async_recv(); });
    EXPECT_TRUE(state.set(6));
    EXPECT_EQ(waiter.outcome(), 6);
    EXPECT_EQ(start([&] { return reader.async_recv(); }, 1s).outcome().error(), errc::timed_out);
    auto impatient = start_parked([&] { return reader.async_recv(); });
    impatient.cancel();
    EXPECT_EQ(impatient.outcome().error(), errc::cancelled);
    EXPECT_TRUE(state.set(7));
    state.close();
    EXPECT_EQ(reader.recv(), 7);
    EXPECT_EQ(reader.recv().error(), errc::closed);
    EXPECT_EQ(state.set(8).error().reason, errc::closed);
    EXPECT_EQ(state.get(), 7);
  });
}

class oneshots : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(oneshots);

TEST_P(oneshots, give_one_value_to_one_receiver) {
  run([] {
    oneshot<std::unique_ptr<int>> answer;
    auto receiver = start_parked([&] { return answer.async_recv(); });
    EXPECT_TRUE(answer.send(std::make_unique<int>(1)));
    EXPECT_EQ(*receiver.outcome().value(), 1);
    auto second = answer.send(std::make_unique<int>(2));
    EXPECT_EQ(second.error().reason, errc::closed);
    EXPECT_EQ(*second.error().value, 2);
    EXPECT_EQ(start([&] { return answer.async_recv(); }).outcome().error(), errc::closed);
  });
}

TEST_P(oneshots, that_are_closed_or_cancelled_lose_nothing) {
  run([] {
    oneshot<int> closed;
    auto receiver = start_parked([&] { return closed.async_recv(); });
    closed.close();
    EXPECT_EQ(receiver.outcome().error(), errc::closed);
    EXPECT_EQ(closed.send(1).error().value, 1);

    oneshot<int> answer;
    auto impatient = start_parked([&] { return answer.async_recv(); });
    impatient.cancel();
    EXPECT_TRUE(answer.send(2));
    EXPECT_EQ(impatient.outcome().error(), errc::cancelled);
    EXPECT_EQ(start([&] { return answer.async_recv(); }, -1h).outcome(), 2) << "what needs no wait happens";
    EXPECT_EQ(answer.try_recv(), std::nullopt);
  });
}

TEST(broadcast_misuse, ends_the_program_with_advice) {
  EXPECT_DEATH(broadcast<int>{0}, "a broadcast keeps one value at the least");
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               auto news = std::make_unique<broadcast<int>>(1u);
                                               auto receiver = news->subscribe();
                                               auto waiter = spawn([&] { return receiver.recv(); });
                                               run_until_parked(waiter);
                                               news.reset();
                                             }),
               "a broadcast is destroyed when nobody waits for its next value");
}

}  // namespace
}  // namespace weft
