#include "tests/support/sync_fixture.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <vector>

#include <weft/sync/event.hpp>
#include <weft/sync/guarded.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/deadline_scope.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;
using testing::section;
using testing::sync_test;

class mutex_waits : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(mutex_waits);

TEST_P(mutex_waits, keep_both_kinds_of_task_and_os_threads_apart) {
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

TEST_P(mutex_waits, end_in_the_order_in_which_they_began) {
  run([] {
    mutex guard;
    std::vector<int> order;
    guard.lock();
    auto first = start_parked([&] { return section{guard, [&] { order.push_back(1); }}; });
    auto second = start_parked([&] { return section{guard, [&] { order.push_back(2); }}; });
    auto third = start_parked([&] { return section{guard, [&] { order.push_back(3); }}; });
    guard.unlock();
    EXPECT_TRUE(third.outcome());
    EXPECT_TRUE(second.outcome());
    EXPECT_TRUE(first.outcome());
    EXPECT_EQ(order, (std::vector{1, 2, 3}));
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
  });
}

TEST_P(mutex_waits, that_are_cancelled_do_not_hold_it_and_the_next_waiter_gets_it) {
  run([] {
    mutex guard;
    guard.lock();
    auto impatient = start_parked([&] { return section{guard}; });
    auto patient = start_parked([&] { return section{guard}; });
    impatient.cancel();
    impatient.cancel();  // once more has no effect
    EXPECT_EQ(impatient.outcome().error(), errc::cancelled);
    guard.unlock();
    EXPECT_TRUE(patient.outcome());
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
  });
}

TEST_P(mutex_waits, that_are_cancelled_and_not_gone_yet_are_passed_over) {
  run([] {
    mutex guard;
    guard.lock();
    auto impatient = start_parked([&] { return section{guard}; });
    impatient.cancel();
    guard.unlock();  // finds it in the queue still, on one seat; it must not be given the mutex
    EXPECT_EQ(impatient.outcome().error(), errc::cancelled);
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
  });
}

TEST_P(mutex_waits, that_are_cancelled_after_the_hand_over_hold_it) {
  run([] {
    mutex guard;
    bool was_inside = false;
    guard.lock();
    auto waiter = start_parked([&] { return section{guard, [&] { was_inside = true; }}; });
    guard.unlock();  // decided: the waiter has it
    waiter.cancel();
    EXPECT_TRUE(waiter.outcome());
    EXPECT_TRUE(was_inside);
  });
}

TEST_P(mutex_waits, that_time_out_do_not_hold_it) {
  run([] {
    mutex guard;
    guard.lock();
    auto waiter = start([&] { return section{guard}; }, 1s);
    EXPECT_EQ(waiter.outcome().error(), errc::timed_out);
    guard.unlock();
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
  });
}

class mutexes : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(mutexes);

TEST_P(mutexes, lock_goes_on_waiting_when_cancelled_or_timed_out) {
  run([] {
    mutex guard;
    guard.lock();
    auto holder = spawn([&] {
      deadline_scope limit{1s};
      std::scoped_lock lock{guard};
      return cancelled();
    });
    run_until_parked(holder);
    holder.cancel();
    EXPECT_TRUE(sleep(1h));
    EXPECT_TRUE(holder.is_parked());
    guard.unlock();
    EXPECT_TRUE(holder.join()) << "the cancel is remembered";
  });
}

TEST_P(mutexes, scoped_lock_takes_several_in_any_order_without_deadlock) {
  run([] {
    mutex left, right;
    int count = 0;
    {
      scope all;
      for (int i = 0; i < 20; ++i) {
        all.spawn([&, i] {
          for (int round = 0; round < 50; ++round) {
            if (i % 2 == 0) {
              std::scoped_lock both{left, right};
              ++count;
            } else {
              std::scoped_lock both{right, left};
              yield();
              ++count;
            }
          }
        });
      }
    }
    EXPECT_EQ(count, 1000);
  });
}

TEST_P(mutexes, may_be_destroyed_by_the_next_holder_while_unlock_returns) {
  run([] {
    for (int round = 0; round < 500; ++round) {
      auto shared = std::make_unique<mutex>();
      shared->lock();
      auto next = spawn([&] {
        shared->lock();
        shared->unlock();
        shared.reset();
      });
      if (round % 2 == 0) run_until_parked(next);
      shared->unlock();
      next.join();
    }
  });
}

TEST_P(mutexes, guard_data_that_is_reachable_only_while_they_are_held) {
  run([] {
    guarded<std::vector<int>> numbers{3u, 1};
    {
      scope all;
      for (int i = 0; i < 10; ++i) {
        all.spawn([&] { numbers.lock()->push_back(2); });
        all.spawn([&]() -> task<> {
          auto held = co_await numbers.async_lock();
          if (held) (*held)->push_back(3);
        });
      }
    }
    EXPECT_EQ(numbers.with([](auto& all) { return all.size(); }), 23u);
    auto held = numbers.lock();
    auto waiter = spawn([&] { return await(numbers.async_lock()).has_value(); });
    run_until_parked(waiter);
    waiter.cancel();
    EXPECT_FALSE(waiter.join());
    EXPECT_EQ(held->size(), 23u);
  });
}

TEST_P(mutexes, are_handed_over_so_that_nobody_overtakes_who_waits) {
  run([] {
    mutex guard;
    event may_unlock;
    guard.lock();
    auto waiter = spawn([&] {
      std::scoped_lock lock{guard};
      EXPECT_TRUE(may_unlock.wait());
    });
    run_until_parked(waiter);
    guard.unlock();
    EXPECT_FALSE(guard.try_lock()) << "it was handed over, not set free";
    may_unlock.set();
    waiter.join();
    EXPECT_EQ(guard.holder(), nullptr);
  });
}

TEST_P(mutexes, belong_to_a_coroutine_that_locks_in_the_blocking_form) {
  run([] {
    mutex guard;
    guard.lock();
    auto coroutine = spawn([&]() -> task<> {
      // It stops its seat; on one seat nobody else could unlock.
      if (guard.try_lock()) guard.unlock();
      co_return;
    });
    guard.unlock();
    coroutine.join();
    std::thread holder{[&] {
      std::scoped_lock lock{guard};
      std::this_thread::yield();
    }};
    spawn([&]() -> task<> {
      for (int i = 0; i < 100; ++i) std::scoped_lock lock{guard};
      co_return;
    }).join();
    blocking([&] { holder.join(); });
  });
}

TEST_P(mutexes, are_waited_for_no_longer_than_is_asked) {
  run([] {
    mutex guard;
    guard.lock();
    auto began = now();
    EXPECT_FALSE(spawn([&] { return guard.try_lock_for(2ms); }).join());
    EXPECT_GE(now() - began, 2ms);
    EXPECT_FALSE(spawn([&] { return guard.try_lock_for(-1h); }).join());
    EXPECT_FALSE(spawn([&] { return guard.try_lock_until(time_point::min()); }).join());
    EXPECT_FALSE(spawn([&] { return std::unique_lock{guard, 1s}.owns_lock(); }).join());
    auto waiter = spawn([&] {
      std::unique_lock lock{guard, now() + 1h};
      return lock.owns_lock();
    });
    run_until_parked(waiter);
    guard.unlock();
    EXPECT_TRUE(waiter.join());
    EXPECT_TRUE(guard.try_lock_for(-1h)) << "free: it needs no wait";
    guard.unlock();
  });
}

TEST(mutex_misuse, unlocking_a_free_mutex_ends_the_program_with_advice) {
  EXPECT_DEATH(
      {
        mutex guard;
        guard.unlock();
      },
      "unlock a mutex only while you hold it: nobody holds it");
}

TEST(mutex_misuse, unlocking_a_mutex_that_another_task_holds_ends_the_program_with_advice) {
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               mutex guard;
                                               guard.lock();
                                               spawn([&] { guard.unlock(); }).join();
                                             }),
               "unlock a mutex only while you hold it: another task does");
}

TEST(mutex_misuse, locking_it_twice_ends_the_program_with_advice) {
  EXPECT_DEATH(
      {
        mutex guard;
        guard.lock();
        guard.lock();
      },
      "a mutex is not recursive: this task holds it already");
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               spawn([]() -> task<> {
                                                 mutex guard;
                                                 static_cast<void>(co_await guard.async_lock());
                                                 static_cast<void>(co_await guard.async_lock());
                                               }).join();
                                             }),
               "a mutex is not recursive: this task holds it already");
}

TEST(mutex_misuse, destroying_a_held_mutex_ends_the_program_with_advice) {
  EXPECT_DEATH(
      {
        mutex guard;
        guard.lock();
      },
      "unlock a mutex before it is destroyed");
}

}  // namespace
}  // namespace weft
