#include "tests/support/sync_fixture.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/sync/atomic_wait.hpp>
#include <weft/sync/barrier.hpp>
#include <weft/sync/call_once.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/guarded.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/sync/strand.hpp>
#include <weft/sync/wait_group.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;
using testing::sync_test;

/// What holds for every wait that lets all go at once: `make` makes the operation, `open` ends its waits.
template <class Start, class Make, class Open>
void expect_gate(Start start_parked, Make make, Open open) {
  auto impatient = start_parked(make);
  auto first = start_parked(make);
  auto second = start_parked(make);
  impatient.cancel();
  impatient.cancel();
  EXPECT_EQ(impatient.outcome().error(), errc::cancelled);
  EXPECT_TRUE(first.is_parked());
  open();
  first.cancel();  // too late
  EXPECT_TRUE(first.outcome());
  EXPECT_TRUE(second.outcome());
}

class gates : public sync_test {
 protected:
  template <class Make, class Open>
  static void expect(Make make, Open open) {
    EXPECT_EQ(start(make, 1s).outcome().error(), errc::timed_out);
    EXPECT_EQ(start(make, -1h).outcome().error(), errc::timed_out);
    expect_gate([](auto each) { return start_parked(each); }, make, open);
  }
};
WEFT_FOR_WAITERS_OF_EVERY_KIND(gates);

TEST_P(gates, of_a_wait_group_open_when_none_is_left) {
  run([] {
    wait_group all{1};
    all.add(2);
    all.done();
    expect([&] { return all.async_wait(); },
           [&] {
             all.done();
             EXPECT_EQ(all.count(), 1u);
             all.done();
           });
    EXPECT_TRUE(all.wait()) << "none is left";
    all.add();
    EXPECT_FALSE(await(with_timeout(all.async_wait(), 1us)));
    all.done();
  });
}

TEST_P(gates, of_a_barrier_open_when_all_have_arrived) {
  run([] {
    barrier meeting{3};
    auto phase = meeting.arrive();
    expect([&] { return phase; },
           [&] {
             meeting.arrive();
             meeting.arrive();
           });
  });
}

TEST_P(gates, of_an_atomic_variable_open_when_it_was_changed_and_somebody_said_so) {
  run([] {
    std::atomic<int> number{1};
    expect([&] { return async_atomic_wait(number, 1); },
           [&] {
             atomic_notify_all(number);  // not changed: they go on waiting
             number = 2;                 // relaxed enough: the notification orders it
             atomic_notify_all(number);
           });
    EXPECT_TRUE(atomic_wait(number, 1));
  });
}

class auto_reset_waits : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(auto_reset_waits);

TEST_P(auto_reset_waits, end_one_for_each_set_in_the_order_in_which_they_began) {
  run([] {
    auto_reset_event bell;
    auto wait = [&] { return bell.async_wait(); };
    auto first = start_parked(wait);
    auto impatient = start_parked(wait);
    auto last = start_parked(wait);
    bell.set();
    EXPECT_TRUE(first.outcome());
    EXPECT_TRUE(impatient.is_parked());
    impatient.cancel();
    bell.set();  // not used up by the one that was cancelled
    EXPECT_EQ(impatient.outcome().error(), errc::cancelled);
    EXPECT_TRUE(last.outcome());
    EXPECT_FALSE(bell.try_wait());
  });
}

TEST_P(auto_reset_waits, do_not_begin_after_a_set_that_nobody_has_seen) {
  run([] {
    auto_reset_event bell;
    bell.set();
    bell.set();
    EXPECT_TRUE(start([&] { return bell.async_wait(); }).outcome());
    EXPECT_EQ(start([&] { return bell.async_wait(); }, 1s).outcome().error(), errc::timed_out) << "it does not count";
    bell.set();
    bell.reset();
    EXPECT_FALSE(bell.try_wait());
  });
}

class shared_mutexes : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(shared_mutexes);

TEST_P(shared_mutexes, let_in_many_readers_or_one_writer) {
  run([] {
    shared_mutex guard;
    std::atomic<int> readers{0}, writers{0}, most_readers{0};
    {
      scope all;
      for (int i = 0; i < 10; ++i) {
        all.spawn([&] {
          for (int round = 0; round < 100; ++round) {
            std::shared_lock lock{guard};
            auto present = ++readers;
            if (present > most_readers) most_readers = present;
            EXPECT_EQ(writers, 0);
            yield();
            --readers;
          }
        });
      }
      for (int i = 0; i < 10; ++i) {
        all.spawn([&]() -> task<> {
          for (int round = 0; round < 100; ++round) {
            EXPECT_TRUE(co_await guard.async_lock());
            EXPECT_EQ(++writers, 1);
            EXPECT_EQ(readers, 0);
            co_await async_yield();
            --writers;
            guard.unlock();
          }
        });
      }
    }
    EXPECT_GT(most_readers, 1);
  });
}

TEST_P(shared_mutexes, let_no_reader_overtake_a_writer_that_waits) {
  run([] {
    shared_mutex guard;
    std::vector<char> order;
    guard.lock_shared();
    auto writer = spawn([&] {
      std::unique_lock lock{guard};
      order.push_back('w');
    });
    run_until_parked(writer);
    EXPECT_FALSE(guard.try_lock_shared());
    std::array<join_handle<void>, 2> readers;
    for (auto& each : readers) {
      each = spawn([&] {
        std::shared_lock lock{guard};
        if (order.empty()) order.push_back('r');
      });
      run_until_parked(each);
    }
    guard.unlock_shared();
    writer.join();
    for (auto& each : readers) each.join();
    EXPECT_EQ(order, std::vector{'w'});
  });
}

TEST_P(shared_mutexes, let_readers_in_when_a_writer_gives_up) {
  run([] {
    shared_mutex guard;
    guard.lock_shared();
    auto writer = spawn([&] { return guard.try_lock_for(1h); });
    run_until_parked(writer);
    auto reader = spawn([&] {
      auto held = guard.try_lock_shared_for(2h);
      if (held) guard.unlock_shared();
      return held;
    });
    run_until_parked(reader);
    writer.cancel();
    EXPECT_FALSE(writer.join());
    EXPECT_TRUE(reader.join());
    EXPECT_FALSE(guard.try_lock_until(now() + 1s));
    EXPECT_FALSE(guard.try_lock_for(-1s));
    guard.unlock_shared();
    EXPECT_TRUE(guard.try_lock());
    EXPECT_FALSE(spawn([&] { return guard.try_lock_shared_until(now() + 1s); }).join());
    guard.unlock();
  });
}

TEST_P(shared_mutexes, guard_data_for_readers_and_writers) {
  run([] {
    shared_guarded<std::vector<int>> numbers;
    numbers.lock()->push_back(1);
    auto reader = numbers.lock_shared();
    EXPECT_EQ(numbers.with_shared([](const auto& all) { return all.size(); }), 1u) << "beside the other reader";
    auto writer = spawn([&]() -> task<> {
      auto held = co_await numbers.async_lock();
      if (held) (*held)->push_back(2);
    });
    run_until_parked(writer);
    EXPECT_EQ(reader->size(), 1u);
    { auto ended = std::move(reader); }
    writer.join();
    EXPECT_EQ(spawn([&]() -> task<std::size_t> { co_return (*co_await numbers.async_lock_shared())->size(); }).join(),
              2u);
  });
}

class barriers : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(barriers);

TEST_P(barriers, keep_all_in_the_same_phase) {
  run([] {
    constexpr int workers = 6, phases = 50;
    std::array<int, workers> done{};
    int ended = 0;
    barrier meeting{workers, [&]() noexcept {
                      ++ended;
                      for (int each : done) EXPECT_EQ(each, ended);
                    }};
    scope all;
    for (std::size_t i = 0; i < workers; ++i) {
      if (i % 2 == 0) {
        all.spawn([&, i] {
          for (int phase = 0; phase < phases; ++phase) {
            ++done[i];
            EXPECT_TRUE(meeting.arrive_and_wait());
          }
        });
      } else {
        all.spawn([&, i]() -> task<> {
          for (int phase = 0; phase < phases; ++phase) {
            ++done[i];
            EXPECT_TRUE(co_await meeting.async_arrive_and_wait());
          }
        });
      }
    }
    all.join();
    EXPECT_EQ(ended, phases);
  });
}

TEST_P(barriers, go_on_without_those_who_drop_and_with_those_who_are_cancelled) {
  run([] {
    barrier meeting{3};
    auto waiter = spawn([&] { return meeting.arrive_and_wait(); });
    run_until_parked(waiter);
    waiter.cancel();
    EXPECT_EQ(waiter.join().error(), errc::cancelled);
    meeting.arrive_and_drop();
    EXPECT_TRUE(meeting.arrive_and_wait()) << "the one that was cancelled has arrived all the same";
    auto other = spawn([&] { return meeting.arrive_and_wait(); });
    run_until_parked(other);
    EXPECT_TRUE(meeting.arrive_and_wait()) << "two are expected from now on";
    EXPECT_TRUE(other.join());
  });
}

class once : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(once);

TEST_P(once, is_called_by_one_while_the_others_wait) {
  run([] {
    once_flag flag;
    int calls = 0;
    {
      scope all;
      for (int i = 0; i < 10; ++i) {
        all.spawn([&] {
          EXPECT_TRUE(call_once(flag, [&] {
            yield();
            ++calls;
          }));
          EXPECT_EQ(calls, 1);
        });
        all.spawn([&]() -> task<> {
          EXPECT_TRUE(co_await async_call_once(flag, [&]() -> task<> {
            co_await async_yield();
            ++calls;
          }));
          EXPECT_EQ(calls, 1);
        });
      }
    }
    EXPECT_TRUE(flag.is_done());
  });
}

TEST_P(once, that_throws_is_tried_by_the_next_and_a_cancelled_wait_has_not_called) {
  run([] {
    once_flag flag;
    EXPECT_THROW(static_cast<void>(call_once(flag, [] { throw std::runtime_error{"not yet"}; })), std::runtime_error);
    event may_end;
    auto caller = spawn([&] { EXPECT_TRUE(call_once(flag, [&] { EXPECT_TRUE(may_end.wait()); })); });
    run_until_parked(caller);
    auto waiter = spawn([&] { return call_once(flag, [] { ADD_FAILURE(); }); });
    run_until_parked(waiter);
    waiter.cancel();
    EXPECT_EQ(waiter.join().error(), errc::cancelled);
    may_end.set();
    caller.join();
  });
}

class strands : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(strands);

TEST_P(strands, call_one_function_at_a_time_in_the_order_in_which_they_were_sent) {
  run([] {
    std::vector<int> numbers;
    {
      strand<int> state{0};
      for (int i = 0; i < 100; ++i) {
        state.post([&, i](int& inside) {
          EXPECT_EQ(++inside, 1);
          numbers.push_back(i);
          yield();
          --inside;
        });
      }
      EXPECT_EQ(state.run([&](int&) { return numbers.size(); }), 100u);
      EXPECT_TRUE(spawn([&]() -> task<bool> { co_return (co_await state.async_run([](int&) {})).has_value(); }).join());
      state.post([&](int&) { numbers.push_back(100); });
    }
    ASSERT_EQ(numbers.size(), 101u) << "the destructor waits for what was sent";
    for (int i = 0; i <= 100; ++i) EXPECT_EQ(numbers[static_cast<std::size_t>(i)], i);
  });
}

TEST_P(strands, give_what_a_function_returns_or_throws_and_drop_it_when_the_wait_is_cancelled) {
  run([] {
    strand<std::vector<int>> numbers{3u, 1};
    EXPECT_EQ(numbers.run([](auto& all) { return all.size(); }), 3u);
    EXPECT_THROW(static_cast<void>(numbers.run([](auto&) { throw std::runtime_error{"no"}; })), std::runtime_error);
    event may_end;
    numbers.post([&](auto&) { EXPECT_TRUE(may_end.wait()); });
    auto waiter = spawn([&] { return numbers.run([](auto& all) { all.clear(); }); });
    run_until_parked(waiter);
    waiter.cancel();
    EXPECT_EQ(waiter.join().error(), errc::cancelled);
    may_end.set();
    EXPECT_EQ(numbers.run([](auto& all) { return all.size(); }), 0u) << "called all the same";
  });
}

class atomic_waits : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(atomic_waits);

TEST_P(atomic_waits, are_notified_one_by_one_and_only_those_of_the_variable) {
  run([] {
    std::array<std::atomic<int>, 600> variables{};  // more than the table has lists
    auto& number = variables[300];
    std::vector<join_handle<bool>> others;
    for (std::size_t i = 0; i < variables.size(); i += 7) {
      if (i == 300) continue;
      others.push_back(spawn([&, i] { return atomic_wait(variables[i], 0).has_value(); }));
      run_until_parked(others.back());
    }
    auto first = spawn([&] { return atomic_wait(number, 0).has_value(); });
    run_until_parked(first);
    auto second = spawn([&] { return atomic_wait(number, 0).has_value(); });
    run_until_parked(second);
    number = 1;
    atomic_notify_one(number);
    EXPECT_TRUE(first.join());
    EXPECT_TRUE(second.is_parked());
    atomic_notify_one(number);
    EXPECT_TRUE(second.join());
    for (auto& each : others) {
      EXPECT_TRUE(each.is_parked());
      each.cancel();
      EXPECT_FALSE(each.join());
    }
  });
}

TEST_P(atomic_waits, end_in_turns_of_tasks_and_os_threads) {
  run([] {
    std::atomic<int> turn{0};
    constexpr int rounds = 200;
    auto play = [&](int mine) {
      for (int i = mine; i < rounds; i += 2) {
        for (int seen = turn; seen != i; seen = turn) EXPECT_TRUE(atomic_wait(turn, seen));
        turn = i + 1;
        atomic_notify_all(turn);
      }
    };
    std::thread outsider{[&] { play(1); }};
    play(0);
    for (int seen = turn; seen != rounds; seen = turn) EXPECT_TRUE(atomic_wait(turn, seen));
    blocking([&] { outsider.join(); });
  });
}

class batches : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(batches);

TEST_P(batches, let_others_run_while_very_many_are_woken) {
  run([] {
    event ready;
    constexpr std::size_t crowd = 1000;
    std::atomic<std::size_t> gone_on{0};
    std::vector<join_handle<void>> waiters;
    for (std::size_t i = 0; i < crowd; ++i) {
      waiters.push_back(spawn([&] {
        EXPECT_TRUE(ready.wait());
        ++gone_on;
      }));
    }
    for (auto& each : waiters) run_until_parked(each);
    ready.set();
    EXPECT_GT(gone_on, 0u) << "some have run before set() returned";
    for (auto& each : waiters) each.join();
    EXPECT_EQ(gone_on, crowd);
  });
}

TEST_P(batches, may_end_the_object_when_those_that_are_left_were_cancelled) {
  run([] {
    for (int round = 0; round < 20; ++round) {
      auto ready = std::make_unique<event>();
      std::vector<join_handle<bool>> waiters;
      event all_wait;
      auto first = spawn([&] {
        EXPECT_TRUE(ready->wait());
        for (auto& each : waiters) each.cancel();
        for (auto& each : waiters) static_cast<void>(each.join());
        ready.reset();  // while set() has not come to its last batch
      });
      run_until_parked(first);
      for (int i = 0; i < 300; ++i) {
        waiters.push_back(spawn([&] { return ready->wait().has_value(); }));
        run_until_parked(waiters.back());
      }
      ready->set();
      first.join();
    }
  });
}

TEST(shared_mutex_misuse, ends_the_program_with_advice) {
  EXPECT_DEATH(
      {
        shared_mutex guard;
        guard.unlock();
      },
      "unlock a shared_mutex only while you hold it");
  EXPECT_DEATH(
      {
        shared_mutex guard;
        guard.unlock_shared();
      },
      "unlock a shared_mutex only while you hold it");
  EXPECT_DEATH(
      {
        shared_mutex guard;
        guard.lock();
        guard.lock();
      },
      "a shared_mutex is not recursive");
  EXPECT_DEATH(
      {
        shared_mutex guard;
        guard.lock_shared();
      },
      "unlock a shared_mutex before it is destroyed");
}

/// Ends the program by destroying an object that a task waits for.
template <class Object, class Wait>
void destroy_while_waited_for(std::unique_ptr<Object> object, Wait wait) {
  testing::run_on_virtual_clock(1, [&] {
    auto waiter = spawn([&] { return static_cast<bool>(wait(*object)); });
    run_until_parked(waiter);
    object.reset();
  });
}

TEST(destroying, what_somebody_waits_for_ends_the_program_with_advice) {
  EXPECT_DEATH(destroy_while_waited_for(std::make_unique<event>(), [](auto& each) { return each.wait(); }),
               "an event is destroyed when nobody waits for it");
  EXPECT_DEATH(destroy_while_waited_for(std::make_unique<auto_reset_event>(), [](auto& each) { return each.wait(); }),
               "an event is destroyed when nobody waits for it");
  EXPECT_DEATH(destroy_while_waited_for(std::make_unique<wait_group>(1u), [](auto& each) { return each.wait(); }),
               "a wait_group is destroyed when nobody waits for it");
  EXPECT_DEATH(
      destroy_while_waited_for(std::make_unique<barrier<>>(2u), [](auto& each) { return each.arrive_and_wait(); }),
      "a barrier is destroyed when nobody waits for it");
}

TEST(counting, below_zero_ends_the_program_with_advice) {
  EXPECT_DEATH(
      {
        wait_group all;
        all.done();
      },
      "once for each that was added");
  EXPECT_DEATH(
      {
        barrier meeting{1};
        meeting.arrive_and_drop();
        meeting.arrive();
      },
      "no more arrive at a barrier in a phase than it expects");
}

TEST(strand_misuse, waiting_for_itself_ends_the_program_with_advice) {
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               strand<int> state{0};
                                               static_cast<void>(state.run([&](int&) {
                                                 return state.run([](int& each) { return each; }).value();
                                               }));
                                             }),
               "a function of a strand does not wait for another one of the same strand");
}

}  // namespace
}  // namespace weft
