// What Go's own tests ask of its channels and of select, as behaviours, written anew for weft: in runtime/chan_test.go
// and in test/chan. The name of the test there stands above each. Left out is what has no counterpart: nil channels,
// the syntax of statements, shrinking stacks (weft/runtime/hibernation_test.cpp puts stacks away that wait).

#include "tests/support/task_fixture.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <numeric>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

using testing::run_until_parked;

class channel_semantics : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(channel_semantics);

constexpr std::array<std::size_t, 4> capacities{0, 1, 3, 100};

/// As many values as the channel holds, numbered.
void fill(channel<int>& numbers, std::size_t capacity) {
  for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(numbers.try_send(static_cast<int>(i)));
}

// TestChan: "Ensure that receive from empty chan blocks", "Ensure that send to full chan blocks".
TEST_P(channel_semantics, a_receive_from_empty_and_a_send_to_full_wait) {
  run([] {
    for (auto capacity : capacities) {
      channel<int> numbers{capacity};
      EXPECT_EQ(numbers.try_recv(), std::nullopt);
      EXPECT_FALSE(try_select(numbers.async_recv()));
      auto receiver = spawn([&] { return numbers.recv(); });
      run_until_parked(receiver);
      ASSERT_TRUE(numbers.send(0));
      EXPECT_EQ(receiver.join(), 0);

      fill(numbers, capacity);
      EXPECT_FALSE(numbers.try_send(-1));
      EXPECT_FALSE(try_select(numbers.async_send(-1)));
      auto sender = spawn([&] { return numbers.send(static_cast<int>(capacity)).has_value(); });
      run_until_parked(sender);
      for (std::size_t i = 0; i <= capacity; ++i) EXPECT_EQ(numbers.recv(), static_cast<int>(i));
      EXPECT_TRUE(sender.join());
    }
  });
}

// TestChan: "Ensure that we receive 0 from closed chan", "Ensure that close unblocks receive".
TEST_P(channel_semantics, a_closed_channel_gives_what_is_left_and_then_says_that_it_is_closed) {
  run([] {
    for (auto capacity : capacities) {
      channel<int> numbers{capacity};
      fill(numbers, capacity);
      numbers.close();
      for (std::size_t i = 0; i < capacity; ++i) EXPECT_EQ(numbers.recv(), static_cast<int>(i));
      for (int i = 0; i < 10; ++i) EXPECT_EQ(numbers.recv().error(), errc::closed);
      EXPECT_TRUE(try_select(numbers.async_recv())) << "closed is ready";

      channel<int> empty{capacity};
      std::vector<join_handle<result<int>>> receivers;
      for (int i = 0; i < 100; ++i) {
        receivers.push_back(spawn([&] { return empty.recv(); }));
        run_until_parked(receivers.back());
      }
      empty.close();
      for (auto& each : receivers) EXPECT_EQ(each.join().error(), errc::closed);
    }
  });
}

// TestChan: "Send 100 integers, ensure that we receive them non-corrupted in FIFO order"; fifo.go: AsynchFifo.
TEST_P(channel_semantics, values_come_in_the_order_in_which_they_were_sent) {
  run([] {
    for (auto capacity : capacities) {
      channel<int> numbers{capacity};
      auto sender = spawn([&] {
        for (int i = 0; i < 100; ++i) EXPECT_TRUE(numbers.send(i));
      });
      for (int i = 0; i < 100; ++i) EXPECT_EQ(numbers.recv(), i);
      sender.join();
    }
  });
}

// TestChan: "Send 1000 integers in 4 goroutines, ensure that we receive what we send".
TEST_P(channel_semantics, many_senders_and_receivers_get_each_value_once) {
  run([] {
    constexpr int pairs = 4, each = 1000;
    for (auto capacity : capacities) {
      channel<int> numbers{capacity};
      std::array<std::array<int, each>, pairs> received{};
      {
        scope all;
        for (std::size_t pair = 0; pair < pairs; ++pair) {
          all.spawn([&] {
            for (int i = 0; i < each; ++i) EXPECT_TRUE(numbers.send(i));
          });
          all.spawn([&, pair]() -> task<> {
            for (int i = 0; i < each; ++i) ++received[pair][static_cast<std::size_t>(*co_await numbers.async_recv())];
          });
        }
      }
      for (std::size_t i = 0; i < each; ++i) {
        int times = 0;
        for (auto& one : received) times += one[i];
        EXPECT_EQ(times, pairs) << i;
      }
    }
  });
}

// fifo.go: SynchFifo, a chain in which each link sends its number when the one before has.
TEST_P(channel_semantics, a_chain_of_rendezvous_runs_in_order) {
  run([] {
    constexpr std::size_t links = 50;
    channel<std::size_t> out{0};
    std::deque<channel<int>> turns;
    for (std::size_t i = 0; i <= links; ++i) turns.emplace_back(0u);
    scope all;
    for (std::size_t i = 0; i < links; ++i) {
      all.spawn([&, i] {
        EXPECT_TRUE(turns[i].recv());
        EXPECT_TRUE(out.send(i));
        EXPECT_TRUE(turns[i + 1].send(1));
      });
    }
    EXPECT_TRUE(turns[0].send(1));
    for (std::size_t i = 0; i < links; ++i) EXPECT_EQ(out.recv(), i);
    EXPECT_TRUE(turns[links].recv());
  });
}

// goroutines.go: a daisy chain of 10,000.
TEST_P(channel_semantics, a_value_goes_through_ten_thousand_tasks) {
  run([] {
    constexpr std::size_t links = 10'000;
    std::deque<channel<int>> channels;
    for (std::size_t i = 0; i <= links; ++i) channels.emplace_back(0u);
    scope all;
    for (std::size_t i = 0; i < links; ++i) {
      all.spawn([&, i]() -> task<> {
        static_cast<void>(co_await channels[i + 1].async_send(*co_await channels[i].async_recv() + 1));
      });
    }
    EXPECT_TRUE(channels[0].send(0));
    EXPECT_EQ(channels[links].recv(), static_cast<int>(links));
  });
}

// sieve1.go: primes by a chain of filters.
TEST_P(channel_semantics, a_sieve_of_filters_finds_the_primes) {
  run([] {
    std::vector<int> primes;
    std::deque<channel<int>> stages;
    stages.emplace_back(0u);
    scope filters;
    filters.spawn([&from = stages.front()] {
      for (int i = 2; from.send(i); ++i) {}
    });
    for (int i = 0; i < 25; ++i) {
      auto& from = stages.back();
      auto prime = *from.recv();
      primes.push_back(prime);
      auto& to = stages.emplace_back(0u);
      filters.spawn([&from, &to, prime] {
        for (int number : from) {
          if (number % prime != 0 && !to.send(number)) break;
        }
        from.close();
      });
    }
    stages.back().close();
    EXPECT_EQ(primes, (std::vector{2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37, 41,
                                   43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97}));
  });
}

// TestSelfSelect: "Ensure that send/recv on the same chan in select does not crash nor deadlock".
TEST_P(channel_semantics, tasks_that_select_both_ways_on_one_channel_never_meet_themselves) {
  run([] {
    for (std::size_t capacity : {std::size_t{0}, std::size_t{10}}) {
      channel<int> meeting{capacity};
      constexpr int rounds = 1000;
      scope all;
      for (int own = 0; own < 2; ++own) {
        all.spawn([&, own] {
          for (int i = 0; i < rounds; ++i) {
            auto received = [own, capacity](const auto& value) {
              if (capacity == 0) {
                EXPECT_NE(value, own) << "it received its own value";
              }
            };
            if (own == 0 || i % 2 == 0) {
              auto chosen = select(meeting.async_send(own), meeting.async_recv());
              if (chosen->index() == 1) received(std::get<1>(*chosen));
            } else {
              auto chosen = select(meeting.async_recv(), meeting.async_send(own));
              if (chosen->index() == 0) received(std::get<0>(*chosen));
            }
          }
        });
      }
    }
  });
}

// TestSelectFairness: over two closed channels, each is chosen about as often.
TEST_P(channel_semantics, a_select_over_cases_that_are_all_ready_takes_each_about_as_often) {
  run([] {
    constexpr int rounds = 10'000;
    std::deque<channel<int>> closed;
    for (int i = 0; i < 4; ++i) closed.emplace_back(0u).close();
    channel<int> never{0};
    std::array<int, 5> chosen{};
    for (int i = 0; i < rounds; ++i) {
      ++chosen[select(closed[0].async_recv(), never.async_recv(), closed[1].async_recv(), closed[2].async_recv(),
                      closed[3].async_recv())
                   ->index()];
    }
    EXPECT_EQ(chosen[1], 0);
    // 2,500 each, with a deviation of 43.
    for (std::size_t i : {0u, 2u, 3u, 4u}) EXPECT_NEAR(chosen[i], rounds / 4, 250);
  });
}

// TestPseudoRandomSend: a select between two sends to one channel mixes them.
TEST_P(channel_semantics, a_select_between_two_sends_to_one_channel_mixes_them) {
  run([] {
    constexpr int count = 100;
    for (std::size_t capacity : {std::size_t{0}, std::size_t{100}}) {
      channel<int> bits{capacity};
      auto sender = spawn([&] {
        for (int i = 0; i < count; ++i) EXPECT_TRUE(select(bits.async_send(0), bits.async_send(1)));
      });
      int ones = 0;
      for (int i = 0; i < count; ++i) ones += *bits.recv();
      EXPECT_GT(ones, count / 10);
      EXPECT_LT(ones, count - count / 10);
      sender.join();
    }
  });
}

// TestNonblockSelectRace: of two values that are on their way one is always found without waiting.
TEST_P(channel_semantics, a_try_sees_what_was_sent_before) {
  run([] {
    for (int round = 0; round < 1000; ++round) {
      channel<int> first{1}, second{1};
      ASSERT_TRUE(first.send(1));
      auto other = spawn([&] { return try_select(first.async_recv(), second.async_recv()).has_value(); });
      ASSERT_TRUE(second.send(1));
      static_cast<void>(first.try_recv());
      EXPECT_TRUE(other.join());
    }
  });
}

// TestNonblockSelectRace2: the same with a close.
TEST_P(channel_semantics, a_try_sees_that_a_channel_was_closed_before) {
  run([] {
    for (int round = 0; round < 1000; ++round) {
      channel<int> first{1}, second{0};
      ASSERT_TRUE(first.send(1));
      auto other = spawn([&] { return try_select(first.async_recv(), second.async_recv()).has_value(); });
      second.close();
      static_cast<void>(first.try_recv());
      EXPECT_TRUE(other.join());
    }
  });
}

// TestNonblockRecvRace: a receive that does not wait beside a close.
TEST_P(channel_semantics, a_try_beside_a_close_finds_the_value) {
  run([] {
    for (int round = 0; round < 1000; ++round) {
      channel<int> numbers{1};
      ASSERT_TRUE(numbers.send(1));
      auto receiver = spawn([&] { return numbers.try_recv(); });
      numbers.close();
      EXPECT_EQ(receiver.join(), 1);
      EXPECT_EQ(numbers.recv().error(), errc::closed);
    }
  });
}

// TestMultiConsumer: many workers on one queue, results on another.
TEST_P(channel_semantics, work_that_many_share_is_done_once) {
  run([] {
    constexpr int workers = 23, items = 271'828 / 20;
    channel<int> queue{workers / 2}, results{10};
    const std::array primes{2, 3, 7, 11};
    scope all;
    for (int i = 0; i < workers; ++i) {
      all.spawn([&, i] {
        for (int item : queue) {
          if (item % 17 == i) yield();
          EXPECT_TRUE(results.send(item));
        }
      });
    }
    all.spawn([&]() -> task<> {
      for (std::size_t i = 0; i < items; ++i) EXPECT_TRUE(co_await queue.async_send(primes[i % primes.size()]));
      queue.close();
    });
    long sum = 0, expected = 0;
    for (std::size_t i = 0; i < items; ++i) {
      sum += *results.recv();
      expected += primes[i % primes.size()];
    }
    EXPECT_EQ(sum, expected);
  });
}

// TestSelectDuplicateChannel: one channel in two cases, and another waiter behind.
TEST_P(channel_semantics, one_channel_may_be_in_several_cases) {
  run([] {
    channel<int> there{0}, back{0};
    auto chooser = spawn([&] {
      static_cast<void>(select(there.async_recv(), there.async_recv(), back.async_recv()));
      return there.recv();
    });
    run_until_parked(chooser);
    auto waiter = spawn([&] { return there.recv(); });
    run_until_parked(waiter);
    EXPECT_TRUE(back.send(1));
    EXPECT_TRUE(there.send(2));
    EXPECT_TRUE(there.send(3));
    EXPECT_EQ(waiter.join(), 2) << "it has waited longer";
    EXPECT_EQ(chooser.join(), 3);
  });
}

// select6.go: a select that another case ended has left the queues, in whatever order.
TEST_P(channel_semantics, a_select_that_is_over_waits_nowhere_any_more) {
  run([] {
    channel<int> first{0}, second{0};
    auto parked = [](auto wait) {
      auto started = spawn(wait);
      run_until_parked(started);
      return started;
    };
    auto before = parked([&] { return first.recv(); });
    auto chooser = parked([&] { return select(first.async_recv(), second.async_recv())->index(); });
    auto behind = parked([&] { return first.recv(); });
    EXPECT_TRUE(second.send(0));
    EXPECT_TRUE(first.try_send(1));
    EXPECT_TRUE(first.try_send(2));
    EXPECT_FALSE(first.try_send(3)) << "nobody is left";
    EXPECT_EQ(chooser.join(), 1u);
    EXPECT_EQ(before.join(), 1);
    EXPECT_EQ(behind.join(), 2);
  });
}

// doubleselect.go: with several channels between the two, no value comes twice.
TEST_P(channel_semantics, no_value_comes_twice_through_several_selects) {
  run([] {
    constexpr int count = 2000;
    std::deque<channel<int>> channels;
    for (int i = 0; i < 4; ++i) channels.emplace_back(0u);
    channel<int> merged{0};
    std::atomic<int> left{4};
    scope all;
    all.spawn([&] {
      for (int i = 0; i < count; ++i) {
        EXPECT_TRUE(select(channels[0].async_send(i), channels[1].async_send(i), channels[2].async_send(i),
                           channels[3].async_send(i)));
      }
      for (auto& each : channels) each.close();
    });
    for (auto& each : channels) {
      all.spawn([&] {
        for (int value : each) EXPECT_TRUE(merged.send(value));
        if (--left == 0) merged.close();
      });
    }
    std::vector<int> seen(count, 0);
    for (int value : merged) ++seen[static_cast<std::size_t>(value)];
    EXPECT_EQ(seen, std::vector<int>(count, 1));
  });
}

// select3.go: which of send, receive and close can go on at once.
TEST_P(channel_semantics, what_waits_and_what_does_not) {
  run([] {
    channel<int> closed{0}, empty{0}, roomy{10}, full{10};
    closed.close();
    fill(full, 10);
    EXPECT_FALSE(try_select(empty.async_recv(), empty.async_send(7)));
    EXPECT_FALSE(try_select(roomy.async_recv()));
    EXPECT_TRUE(try_select(roomy.async_send(7)));
    EXPECT_FALSE(try_select(full.async_send(7)));
    EXPECT_TRUE(try_select(full.async_recv()));
    EXPECT_TRUE(try_select(closed.async_recv()));
    EXPECT_EQ(std::get<0>(*try_select(closed.async_send(7))).error().reason, errc::closed) << "Go panics here";
    closed.close();
    EXPECT_EQ(closed.recv().error(), errc::closed);
  });
}

// TestSelectStress: plain operations and selects over four channels, both ways.
TEST_P(channel_semantics, plain_operations_and_selects_meet_in_equal_numbers) {
  run([] {
    constexpr int each = 1500;
    std::deque<channel<int>> channels;
    for (std::size_t capacity : {0u, 0u, 2u, 3u}) channels.emplace_back(capacity);
    scope all;
    for (std::size_t k = 0; k < 4; ++k) {
      all.spawn([&, k] {
        for (int i = 0; i < each; ++i) EXPECT_TRUE(channels[k].send(0));
      });
      all.spawn([&, k]() -> task<> {
        for (int i = 0; i < each; ++i) EXPECT_TRUE(co_await channels[k].async_recv());
      });
    }
    auto all_done = [](const std::array<int, 4>& done) {
      return std::accumulate(done.begin(), done.end(), 0) == 4 * each;
    };
    all.spawn([&] {
      std::array<int, 4> done{};
      while (!all_done(done)) {
        std::vector<channel<int>::send_operation> sends;
        std::vector<std::size_t> of;
        for (std::size_t k = 0; k < 4; ++k) {
          if (done[k] == each) continue;
          sends.push_back(channels[k].async_send(0));
          of.push_back(k);
        }
        ++done[of[select_from(std::span{sends})->index]];
      }
    });
    all.spawn([&] {
      std::array<int, 4> done{};
      while (!all_done(done)) {
        std::vector<channel<int>::recv_operation> receives;
        std::vector<std::size_t> of;
        for (std::size_t k = 0; k < 4; ++k) {
          if (done[k] == each) continue;
          receives.push_back(channels[k].async_recv());
          of.push_back(k);
        }
        ++done[of[select_from(std::span{receives})->index]];
      }
    });
  });
}

// zerosize.go, perm.go: values without contents, values that only move.
TEST_P(channel_semantics, values_may_be_empty_or_only_movable_or_large) {
  run([] {
    struct nothing {};
    channel<nothing> signals{1};
    EXPECT_TRUE(signals.send({}));
    EXPECT_TRUE(signals.recv());
    channel<std::unique_ptr<int>> owners{1};
    EXPECT_TRUE(owners.send(std::make_unique<int>(3)));
    EXPECT_EQ(**owners.recv(), 3);
    using large = std::array<std::uint64_t, 1024>;
    channel<large> blocks{0};
    auto receiver = spawn([&] { return (*blocks.recv())[1023]; });
    large block{};
    block[1023] = 7;
    EXPECT_TRUE(blocks.send(block));
    EXPECT_EQ(receiver.join(), 7u);
  });
}

// nonblock.go: forms that do not wait, beside a partner that comes and one that waits.
TEST_P(channel_semantics, a_try_meets_a_partner_that_waits) {
  run([] {
    channel<int> numbers{0};
    EXPECT_FALSE(numbers.try_send(1));
    auto receiver = spawn([&] { return numbers.recv(); });
    run_until_parked(receiver);
    EXPECT_TRUE(numbers.try_send(2));
    EXPECT_EQ(receiver.join(), 2);
    auto sender = spawn([&] { return numbers.send(3).has_value(); });
    run_until_parked(sender);
    EXPECT_EQ(numbers.try_recv(), 3);
    EXPECT_EQ(numbers.try_recv(), std::nullopt);
    EXPECT_TRUE(sender.join());
  });
}

}  // namespace
}  // namespace weft
