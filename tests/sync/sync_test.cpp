#include "task/task_fixture.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <weft/sync/channel.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/select.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/offload.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;

class sync : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(sync);

TEST_P(sync, a_mutex_keeps_both_kinds_of_task_and_os_threads_apart) {
  run([] {
    mutex guard;
    int count = 0;
    constexpr int rounds = 500;
    std::thread outsider{[&] {
      for (int i = 0; i < rounds; ++i) {
        std::scoped_lock lock{guard};
        ++count;
      }
    }};
    {
      scope all;
      for (int task_number = 0; task_number < 10; ++task_number) {
        all.spawn([&] {
          for (int i = 0; i < rounds; ++i) {
            std::scoped_lock lock{guard};
            auto seen = count;
            if (i % 50 == 0) yield();
            count = seen + 1;
          }
        });
        all.spawn([&]() -> task<> {
          for (int i = 0; i < rounds; ++i) {
            EXPECT_TRUE(co_await guard.async_lock());
            auto seen = count;
            if (i % 50 == 0) co_await async_yield();
            count = seen + 1;
            guard.unlock();
          }
        });
      }
    }
    blocking([&] { outsider.join(); });
    EXPECT_EQ(count, 21 * rounds);
  });
}

TEST_P(sync, waiters_of_a_mutex_get_it_in_the_order_in_which_they_came) {
  run([] {
    mutex guard;
    std::vector<int> order;
    guard.lock();
    std::vector<join_handle<void>> waiters;
    for (int i = 0; i < 5; ++i) {
      waiters.push_back(spawn([&, i] {
        std::scoped_lock lock{guard};
        order.push_back(i);
      }));
      run_until_parked(waiters.back());
    }
    guard.unlock();
    for (auto& each : waiters) each.join();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  });
}

TEST_P(sync, a_cancelled_lock_is_not_held_and_the_next_waiter_gets_it) {
  run([] {
    mutex guard;
    guard.lock();
    auto impatient = spawn([&] { return await(guard.async_lock()); });
    run_until_parked(impatient);
    auto patient = spawn([&] { std::scoped_lock lock{guard}; });
    run_until_parked(patient);
    impatient.cancel();
    EXPECT_EQ(impatient.join().error(), errc::cancelled);
    guard.unlock();
    patient.join();
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
  });
}

TEST_P(sync, a_cancel_that_comes_after_the_hand_over_leaves_the_lock_held) {
  run([] {
    mutex guard;
    guard.lock();
    auto waiter = spawn([&] { return await(guard.async_lock()); });
    run_until_parked(waiter);
    guard.unlock();  // decided: the waiter has it
    waiter.cancel();
    EXPECT_TRUE(waiter.join());
    EXPECT_FALSE(guard.try_lock());
    guard.unlock();
  });
}

TEST(mutex_misuse, unlocking_a_free_mutex_ends_the_program_with_advice) {
  EXPECT_DEATH(
      {
        mutex guard;
        guard.unlock();
      },
      "unlock a mutex only while you hold it");
}

TEST_P(sync, a_semaphore_never_lets_in_more_than_its_permits) {
  run([] {
    semaphore permits{3};
    std::atomic<int> inside{0}, most{0};
    {
      scope all;
      for (int i = 0; i < 50; ++i) {
        all.spawn([&] {
          ASSERT_TRUE(permits.acquire());
          auto present = ++inside;
          auto seen = most.load();
          while (present > seen && !most.compare_exchange_weak(seen, present)) {}
          EXPECT_TRUE(sleep(1s));
          --inside;
          permits.release();
        });
      }
    }
    EXPECT_EQ(most.load(), 3);
  });
}

TEST_P(sync, a_semaphore_wait_that_timed_out_took_no_permit) {
  run([] {
    semaphore permits{0};
    {
      deadline_scope limit{1s};
      EXPECT_EQ(permits.acquire().error(), errc::timed_out);
    }
    permits.release();
    EXPECT_TRUE(permits.try_acquire());
    EXPECT_FALSE(permits.try_acquire());
  });
}

TEST_P(sync, a_bounded_channel_is_first_in_first_out_and_makes_senders_wait) {
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

TEST_P(sync, a_channel_of_capacity_0_makes_a_send_wait_for_its_receiver) {
  run([] {
    channel<std::unique_ptr<int>> meeting{0};
    EXPECT_FALSE(meeting.try_send(std::make_unique<int>(1)));
    auto sender = spawn([&] { return meeting.send(std::make_unique<int>(7)).has_value(); });
    run_until_parked(sender);
    auto received = meeting.recv();
    ASSERT_TRUE(received);
    EXPECT_EQ(**received, 7);
    EXPECT_TRUE(sender.join());
  });
}

TEST_P(sync, an_unbounded_channel_never_makes_a_sender_wait) {
  run([] {
    channel<int> numbers{unbounded};
    for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(numbers.try_send(i));
    for (int i = 0; i < 10'000; ++i) ASSERT_EQ(numbers.try_recv(), i);
    EXPECT_EQ(numbers.try_recv(), std::nullopt);
  });
}

TEST_P(sync, a_coroutine_and_a_virtual_thread_share_a_channel) {
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

TEST_P(sync, cancelling_a_waiting_receiver_does_not_lose_a_value) {
  run([] {
    channel<int> numbers{1};
    auto receiver = spawn([&] { return numbers.recv(); });
    run_until_parked(receiver);
    receiver.cancel();
    EXPECT_TRUE(spawn([&] { return numbers.send(7).has_value(); }).join());
    EXPECT_EQ(receiver.join().error(), errc::cancelled);
    EXPECT_EQ(numbers.try_recv(), 7);
  });
}

TEST_P(sync, a_value_handed_over_before_the_cancel_is_returned) {
  run([] {
    channel<int> numbers{1};
    auto receiver = spawn([&] { return numbers.recv(); });
    run_until_parked(receiver);
    ASSERT_TRUE(numbers.try_send(7));
    receiver.cancel();
    EXPECT_EQ(receiver.join(), 7);
  });
}

TEST_P(sync, a_send_that_is_cancelled_or_meets_a_closed_channel_hands_the_value_back) {
  run([] {
    channel<std::unique_ptr<int>> full{0};
    auto sender = spawn([&] { return full.send(std::make_unique<int>(1)); });
    run_until_parked(sender);
    sender.cancel();
    auto outcome = sender.join();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().reason, errc::cancelled);
    EXPECT_EQ(*outcome.error().value, 1);

    auto waiting = spawn([&] { return full.send(std::make_unique<int>(2)); });
    run_until_parked(waiting);
    full.close();
    auto closed = waiting.join();
    ASSERT_FALSE(closed);
    EXPECT_EQ(closed.error().reason, errc::closed);
    EXPECT_EQ(*closed.error().value, 2);
  });
}

TEST_P(sync, close_wakes_receivers_and_lets_what_is_left_be_received) {
  run([] {
    channel<int> numbers{4};
    ASSERT_TRUE(numbers.try_send(1));
    numbers.close();
    numbers.close();
    EXPECT_EQ(numbers.recv(), 1);
    EXPECT_EQ(numbers.recv().error(), errc::closed);
    channel<int> empty{0};
    auto receiver = spawn([&] { return empty.recv(); });
    run_until_parked(receiver);
    empty.close();
    EXPECT_EQ(receiver.join().error(), errc::closed);
  });
}

TEST_P(sync, select_takes_from_exactly_one_channel) {
  run([] {
    channel<int> numbers{1};
    channel<std::string> words{1};
    auto chooser = spawn([&] { return select(numbers.async_recv(), words.async_recv()); });
    run_until_parked(chooser);
    ASSERT_TRUE(words.try_send("word"));
    ASSERT_TRUE(numbers.try_send(5));
    auto outcome = chooser.join();
    ASSERT_TRUE(outcome);
    ASSERT_EQ(outcome->index(), 1u);
    EXPECT_EQ(std::get<1>(*outcome), "word");
    EXPECT_EQ(numbers.try_recv(), 5);
  });
}

TEST_P(sync, select_with_a_timer_times_out_and_in_a_coroutine_too) {
  run([] {
    channel<int> never{0};
    auto start = now();
    auto outcome = select(never.async_recv(), async_sleep(1h));
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->index(), 1u);
    EXPECT_GE(now() - start, 1h);
    auto coroutine = spawn([&]() -> task<std::size_t> {
      auto chosen = co_await async_select(never.async_recv(), async_sleep(2h));
      co_return chosen->index();
    });
    EXPECT_EQ(coroutine.join(), 1u);
  });
}

TEST_P(sync, a_cancelled_select_took_nothing) {
  run([] {
    channel<int> in{0}, out{0};
    auto chooser = spawn([&] { return select(in.async_recv(), out.async_send(3)).error(); });
    run_until_parked(chooser);
    chooser.cancel();
    EXPECT_EQ(chooser.join(), errc::cancelled);
    EXPECT_EQ(out.try_recv(), std::nullopt);
    EXPECT_FALSE(in.try_send(1));
  });
}

TEST_P(sync, two_selects_that_offer_each_other_both_ways_meet_once) {
  run([] {
    for (int round = 0; round < 300; ++round) {
      channel<int> there{0}, back{0};
      auto left = spawn([&] { return select(there.async_send(1), back.async_recv())->index(); });
      auto right = spawn([&] { return select(there.async_recv(), back.async_send(2))->index(); });
      EXPECT_EQ(left.join(), right.join());
    }
  });
}

TEST(os_threads, select_works_on_a_plain_os_thread_with_a_timer) {
  channel<int> never{0};
  auto outcome = select(never.async_recv(), async_sleep(1us));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->index(), 1u);
}

// Every value is received once or handed back, whatever is cancelled, times out or is closed meanwhile.
TEST_P(sync, under_stress_every_value_is_received_once_or_handed_back) {
  auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  run([seed] {
    constexpr int senders = 12, receivers = 12, each_sends = 300;
    channel<int> values{3};
    channel<int> other{0};
    std::vector<std::atomic<int>> received(senders * each_sends), returned(senders * each_sends);
    std::atomic<int> senders_left{senders};
    auto send_all = [&](int first, std::uint32_t own_seed) {
      base::random random{own_seed};
      for (int i = first; i < first + each_sends; ++i) {
        deadline_scope limit{random.below(4) == 0 ? duration{1us} : duration{1h}};
        if (!values.send(i)) ++returned[static_cast<std::size_t>(i)];
        if (random.below(8) == 0) yield();
      }
      if (--senders_left == 0) values.close();
    };
    auto receive_all = [&](std::uint32_t own_seed) {
      base::random random{own_seed};
      for (;;) {
        if (random.below(3) == 0) {
          auto chosen = select(values.async_recv(), other.async_recv(), async_sleep(duration{random.below(3000)}));
          if (!chosen || chosen->index() != 0) continue;
          auto& value = std::get<0>(*chosen);
          if (!value) return;
          ++received[static_cast<std::size_t>(*value)];
        } else {
          auto value = values.recv();
          if (!value) return;
          ++received[static_cast<std::size_t>(*value)];
        }
      }
    };
    std::thread outsider{[&] { receive_all(seed); }};
    {
      scope all;
      for (int i = 0; i < senders; ++i)
        all.spawn([&, i] { send_all(i * each_sends, seed + static_cast<unsigned>(i)); });
      for (int i = 0; i < receivers; ++i) all.spawn([&, i] { receive_all(seed + 100 + static_cast<unsigned>(i)); });
      for (int i = 0; i < receivers; ++i) {
        all.spawn([&]() -> task<> {
          while (auto value = co_await values.async_recv()) ++received[static_cast<std::size_t>(*value)];
        });
      }
    }
    blocking([&] { outsider.join(); });
    for (std::size_t i = 0; i < received.size(); ++i) ASSERT_EQ(received[i] + returned[i], 1) << "value " << i;
  });
}

}  // namespace
}  // namespace weft
