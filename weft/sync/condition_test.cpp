#include "tests/support/sync_fixture.hpp"

#include <atomic>
#include <memory>
#include <mutex>

#include <weft/combine/with_deadline.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/latch.hpp>
#include <weft/task/deadline_scope.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;
using testing::sync_test;

struct conditions {
  mutex guard;
  condition_variable changed;
};

class condition_waits : public sync_test {
 protected:
  struct waited {
    result<void> notified;
    bool was_held;
  };

  /// A waiter that locks, waits for a notification and unlocks.
  class condition_waiter {
   public:
    condition_waiter(testing::waiter_kind kind, conditions& all, duration limit = duration::max()) {
      if (kind == testing::waiter_kind::coroutine) {
        task_ = spawn([&all, limit]() -> task<waited> {
          deadline_scope until{limit};
          EXPECT_TRUE(co_await all.guard.async_lock());
          std::unique_lock lock{all.guard, std::adopt_lock};
          auto notified = co_await all.changed.async_wait(lock);
          co_return waited{notified, !all.guard.try_lock()};
        });
      } else {
        task_ = spawn([&all, limit] {
          deadline_scope until{limit};
          std::unique_lock lock{all.guard};
          auto notified = all.changed.wait(lock);
          return waited{notified, !all.guard.try_lock()};
        });
      }
    }
    void run_until_parked() { testing::run_until_parked(task_); }
    [[nodiscard]] bool is_parked() const { return task_.is_parked(); }
    void cancel() { task_.cancel(); }
    waited outcome() { return task_.join(); }

   private:
    join_handle<waited> task_;
  };

  static condition_waiter start(conditions& all, duration limit = duration::max()) {
    return condition_waiter{std::get<1>(GetParam()), all, limit};
  }
  static condition_waiter start_parked(conditions& all) {
    auto started = start(all);
    started.run_until_parked();
    return started;
  }
};
INSTANTIATE_TEST_SUITE_P(each, condition_waits,
                         ::testing::Combine(::testing::Values(std::size_t{1}, std::size_t{3}),
                                            ::testing::Values(testing::waiter_kind::virtual_thread,
                                                              testing::waiter_kind::coroutine)),
                         sync_test::name);

TEST_P(condition_waits, end_one_by_one_in_the_order_in_which_they_began) {
  run([] {
    conditions all;
    all.changed.notify_one();  // nobody waits: lost, as it should be
    auto first = start_parked(all);
    auto second = start_parked(all);
    all.changed.notify_one();
    auto answer = first.outcome();
    EXPECT_TRUE(answer.notified);
    EXPECT_TRUE(answer.was_held);
    EXPECT_TRUE(second.is_parked());
    all.changed.notify_one();
    EXPECT_TRUE(second.outcome().notified);
  });
}

TEST_P(condition_waits, that_are_notified_wait_on_for_the_mutex) {
  run([] {
    conditions all;
    auto waiter = start_parked(all);
    auto other = start_parked(all);
    {
      std::unique_lock lock{all.guard};
      all.changed.notify_all();
      for (int i = 0; i < 10; ++i) yield();
      EXPECT_TRUE(waiter.is_parked());
      EXPECT_TRUE(other.is_parked());
    }
    EXPECT_TRUE(waiter.outcome().notified);
    EXPECT_TRUE(other.outcome().notified);
  });
}

TEST_P(condition_waits, wait_no_longer_than_is_asked_and_hold_the_mutex_again) {
  run([] {
    conditions all;
    const auto kind = std::get<1>(GetParam());
    const auto began = now();
    auto waiter = spawn([&] {
      std::unique_lock lock{all.guard};
      auto ended = kind == testing::waiter_kind::coroutine
                       ? await(with_deadline(all.changed.async_wait(lock), began + 2h))
                       : all.changed.wait_for(lock, 2h);
      EXPECT_EQ(ended.error(), errc::timed_out);
      EXPECT_EQ(now() - began, 2h);
      EXPECT_EQ(all.guard.holder(), &detail::current_task());
      EXPECT_EQ(all.changed.wait_until(lock, began + 3h).error(), errc::timed_out);
      EXPECT_EQ(now() - began, 3h);
      EXPECT_EQ(all.guard.holder(), &detail::current_task());
    });
    waiter.join();
    // In a coroutine, by the operation.
    auto other = spawn([&]() -> task<bool> {
      EXPECT_TRUE(co_await all.guard.async_lock());
      std::unique_lock lock{all.guard, std::adopt_lock};
      auto ended = co_await with_timeout(all.changed.async_wait(lock), 1h);
      co_return ended.error() == errc::timed_out&& all.guard.holder() == &detail::current_task();
    });
    EXPECT_TRUE(other.join());
    EXPECT_EQ(now() - began, 4h);
  });
}

TEST_P(condition_waits, with_a_time_end_when_they_are_notified_before) {
  run([] {
    conditions all;
    const auto began = now();
    auto waiter = spawn([&] {
      std::unique_lock lock{all.guard};
      return all.changed.wait_for(lock, 1h);
    });
    run_until_parked(waiter);
    EXPECT_TRUE(sleep(1min));
    all.changed.notify_one();
    EXPECT_TRUE(waiter.join());
    EXPECT_EQ(now() - began, 1min);
  });
}

TEST_P(condition_waits, with_a_time_that_has_passed_end_at_once) {
  run([] {
    conditions all;
    const auto began = now();
    std::unique_lock lock{all.guard};
    EXPECT_EQ(all.changed.wait_for(lock, 0s).error(), errc::timed_out);
    EXPECT_EQ(all.changed.wait_for(lock, -1h).error(), errc::timed_out);
    EXPECT_EQ(all.changed.wait_until(lock, began - 1s).error(), errc::timed_out);
    EXPECT_TRUE(all.changed.wait_for(lock, -1h, [] { return true; }));
    EXPECT_EQ(all.changed.wait_until(lock, began, [] { return false; }).error(), errc::timed_out);
    EXPECT_EQ(all.guard.holder(), &detail::current_task());
    EXPECT_LT(now() - began, 1s);
  });
}

TEST_P(condition_waits, for_a_predicate_are_one_wait_however_often_they_are_notified) {
  run([] {
    conditions all;
    int value = 0;
    const auto began = now();
    auto in_time = spawn([&] {
      std::unique_lock lock{all.guard};
      return all.changed.wait_for(lock, std::chrono::duration<double, std::ratio<3600>>{1.5},
                                  [&] { return value == 3; });
    });
    auto too_late = spawn([&] {
      std::unique_lock lock{all.guard};
      return all.changed.wait_until(lock, began + 2h, [&] { return value == 100; });
    });
    run_until_parked(in_time);
    run_until_parked(too_late);
    for (int i = 1; i <= 5; ++i) {
      EXPECT_TRUE(sleep(20min));
      {
        std::scoped_lock lock{all.guard};
        value = i;
      }
      all.changed.notify_all();
    }
    EXPECT_TRUE(in_time.join());
    EXPECT_EQ(too_late.join().error(), errc::timed_out);
    EXPECT_EQ(now() - began, 2h);
  });
}

TEST_P(condition_waits, with_a_time_are_cancelled_and_use_up_no_notification) {
  run([] {
    conditions all;
    auto timed = spawn([&] {
      std::unique_lock lock{all.guard};
      auto ended = all.changed.wait_for(lock, 1h);
      EXPECT_EQ(all.guard.holder(), &detail::current_task());
      return ended;
    });
    auto with_predicate = spawn([&] {
      std::unique_lock lock{all.guard};
      return all.changed.wait_until(lock, now() + 1h, [] { return false; });
    });
    run_until_parked(timed);
    run_until_parked(with_predicate);
    auto other = start_parked(all);
    timed.cancel();
    with_predicate.cancel();
    EXPECT_EQ(timed.join().error(), errc::cancelled);
    EXPECT_EQ(with_predicate.join().error(), errc::cancelled);
    all.changed.notify_one();
    EXPECT_TRUE(other.outcome().notified);
  });
}

TEST(condition_waits_of_os_threads, take_a_time) {
  conditions all;
  std::unique_lock lock{all.guard};
  EXPECT_EQ(all.changed.wait_for(lock, 1ms).error(), errc::timed_out);
  EXPECT_EQ(all.changed.wait_until(lock, std::chrono::system_clock::now() + 1ms).error(), errc::timed_out);
  EXPECT_EQ(all.guard.holder(), &detail::current_task());
}

TEST_P(condition_waits, that_are_cancelled_hold_the_mutex_again_and_use_up_no_notification) {
  run([] {
    conditions all;
    auto impatient = start_parked(all);
    auto patient = start_parked(all);
    {
      std::unique_lock lock{all.guard};
      impatient.cancel();
      impatient.run_until_parked();
      all.changed.notify_one();  // the one that was cancelled waits for the mutex, and not for this
    }
    auto answer = impatient.outcome();
    EXPECT_EQ(answer.notified.error(), errc::cancelled);
    EXPECT_TRUE(answer.was_held);
    EXPECT_TRUE(patient.outcome().notified);
  });
}

TEST_P(condition_waits, that_time_out_hold_the_mutex_again) {
  run([] {
    conditions all;
    auto answer = start(all, 1s).outcome();
    EXPECT_EQ(answer.notified.error(), errc::timed_out);
    EXPECT_TRUE(answer.was_held);
  });
}

TEST_P(condition_waits, that_are_cancelled_after_the_notification_were_notified) {
  run([] {
    conditions all;
    auto waiter = start_parked(all);
    {
      std::unique_lock lock{all.guard};
      all.changed.notify_one();
      waiter.cancel();  // it waits for the mutex by now
      waiter.run_until_parked();
    }
    auto answer = waiter.outcome();
    EXPECT_TRUE(answer.notified);
    EXPECT_TRUE(answer.was_held);
  });
}

TEST_P(condition_waits, keep_their_place_in_the_queue_of_the_mutex_when_cancelled_there) {
  run([] {
    conditions all;
    auto waiter = start_parked(all);
    std::unique_lock lock{all.guard};
    all.changed.notify_one();
    auto later = spawn([&] {
      std::scoped_lock late{all.guard};
      return waiter.is_parked();
    });
    run_until_parked(later);
    waiter.cancel();
    waiter.run_until_parked();
    lock.unlock();
    EXPECT_FALSE(later.join()) << "the waiter came first";
    EXPECT_TRUE(waiter.outcome().notified);
  });
}

class condition_variables : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(condition_variables);

TEST_P(condition_variables, a_wait_with_a_predicate_ends_when_it_holds) {
  run([] {
    conditions all;
    int level = 0;
    auto waiter = spawn([&] {
      std::unique_lock lock{all.guard};
      EXPECT_TRUE(all.changed.wait(lock, [&] { return level == 3; }));
      return level;
    });
    run_until_parked(waiter);
    for (int i = 1; i <= 3; ++i) {
      {
        std::scoped_lock lock{all.guard};
        level = i;
      }
      all.changed.notify_all();
      EXPECT_TRUE(sleep(1s));
    }
    EXPECT_EQ(waiter.join(), 3);
  });
}

TEST_P(condition_variables, a_wait_with_a_predicate_that_holds_at_the_deadline_succeeds) {
  run([] {
    conditions all;
    bool ready = false;
    auto waiter = spawn([&] {
      deadline_scope limit{1s};
      std::unique_lock lock{all.guard};
      return all.changed.wait(lock, [&] { return ready; });
    });
    run_until_parked(waiter);
    ready = true;  // and nobody says so
    EXPECT_TRUE(waiter.join());
    EXPECT_EQ(spawn([&] {
                deadline_scope limit{1s};
                std::unique_lock lock{all.guard};
                return all.changed.wait(lock, [] { return false; });
              })
                  .join()
                  .error(),
              errc::timed_out);
  });
}

TEST_P(condition_variables, pass_every_item_on_under_cancels_and_deadlines) {
  run([] {
    conditions all;
    int items = 0, taken = 0;
    constexpr int produced = 2000;
    bool over = false;
    {
      scope consumers;
      auto consume = [&] {
        std::unique_lock lock{all.guard};
        for (;;) {
          deadline_scope limit{3us};
          if (!all.changed.wait(lock, [&] { return items > 0 || over; })) continue;
          if (items == 0) return;
          --items;
          ++taken;
        }
      };
      for (int i = 0; i < 8; ++i) consumers.spawn(consume);
      for (int i = 0; i < produced; ++i) {
        {
          std::scoped_lock lock{all.guard};
          ++items;
        }
        all.changed.notify_one();
        if (i % 7 == 0) static_cast<void>(sleep(1us));
      }
      std::scoped_lock lock{all.guard};
      over = true;
      all.changed.notify_all();
    }
    EXPECT_EQ(taken, produced);
  });
}

TEST(condition_variables_of_os_threads, work_between_plain_os_threads_without_a_runtime) {
  conditions all;
  bool asked = false, answered = false;
  std::thread other{[&] {
    std::unique_lock lock{all.guard};
    EXPECT_TRUE(all.changed.wait(lock, [&] { return asked; }));
    answered = true;
    all.changed.notify_all();
  }};
  {
    std::unique_lock lock{all.guard};
    asked = true;
    all.changed.notify_all();
    EXPECT_TRUE(all.changed.wait(lock, [&] { return answered; }));
    deadline_scope limit{1us};
    EXPECT_EQ(all.changed.wait(lock, [] { return false; }).error(), errc::timed_out);
    EXPECT_FALSE(all.guard.try_lock()) << "held again after the deadline";
  }
  other.join();
}

TEST(condition_variables_of_os_threads, hold_the_mutex_again_when_they_time_out_while_others_want_it) {
  conditions all;
  std::atomic<int> inside{0};
  std::atomic<bool> over{false};
  auto section = [&] {
    EXPECT_EQ(++inside, 1);
    std::this_thread::yield();
    --inside;
  };
  std::thread other{[&] {
    while (!over) {
      std::scoped_lock lock{all.guard};
      section();
    }
  }};
  for (int i = 0; i < 200; ++i) {
    deadline_scope limit{1us};
    std::unique_lock lock{all.guard};
    section();
    EXPECT_FALSE(all.changed.wait(lock));
    section();
  }
  over = true;
  other.join();
}

TEST(condition_misuse, waiting_without_the_mutex_ends_the_program_with_advice) {
  EXPECT_DEATH(
      {
        conditions all;
        std::unique_lock lock(all.guard, std::defer_lock);
        static_cast<void>(all.changed.wait(lock));
      },
      "with the mutex held");
}

class event_waits : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(event_waits);

TEST_P(event_waits, all_end_when_it_is_set_and_none_waits_until_it_is_reset) {
  run([] {
    event ready;
    auto first = start_parked([&] { return ready.async_wait(); });
    auto second = start_parked([&] { return ready.async_wait(); });
    ready.set();
    ready.reset();  // those that were let go go on all the same
    EXPECT_TRUE(first.outcome());
    EXPECT_TRUE(second.outcome());
    auto third = start_parked([&] { return ready.async_wait(); });
    EXPECT_FALSE(ready.is_set());
    ready.set();
    EXPECT_TRUE(third.outcome());
    EXPECT_TRUE(start([&] { return ready.async_wait(); }).outcome());
  });
}

TEST_P(event_waits, are_cancelled_and_time_out) {
  run([] {
    event ready;
    auto waiter = start_parked([&] { return ready.async_wait(); });
    waiter.cancel();
    EXPECT_EQ(waiter.outcome().error(), errc::cancelled);
    EXPECT_EQ(start([&] { return ready.async_wait(); }, 1s).outcome().error(), errc::timed_out);
    ready.set();
  });
}

class latch_waits : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(latch_waits);

TEST_P(latch_waits, end_at_zero) {
  run([] {
    latch done{3};
    auto waiter = start_parked([&] { return done.async_wait(); });
    done.count_down(2);
    EXPECT_FALSE(done.try_wait());
    EXPECT_TRUE(waiter.is_parked());
    EXPECT_TRUE(done.arrive_and_wait());
    EXPECT_TRUE(waiter.outcome());
    EXPECT_TRUE(start([&] { return done.async_wait(); }).outcome());
  });
}

TEST_P(latch_waits, are_cancelled_and_time_out) {
  run([] {
    latch done{1};
    auto waiter = start_parked([&] { return done.async_wait(); });
    waiter.cancel();
    EXPECT_EQ(waiter.outcome().error(), errc::cancelled);
    EXPECT_EQ(start([&] { return done.async_wait(); }, 1s).outcome().error(), errc::timed_out);
  });
}

class latches : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(latches);

TEST_P(latches, may_be_destroyed_by_the_waiter_while_count_down_returns) {
  run([] {
    for (int round = 0; round < 500; ++round) {
      auto done = std::make_unique<latch>(2);
      int written = 0;
      auto helper = spawn([&] {
        written = 1;
        done->count_down();
      });
      if (round % 2 == 0) yield();
      ASSERT_TRUE(done->arrive_and_wait());
      EXPECT_EQ(written, 1);
      done.reset();
      helper.join();
    }
  });
}

TEST(latch_misuse, counting_down_below_zero_ends_the_program_with_advice) {
  EXPECT_DEATH(
      {
        latch done{1};
        done.count_down(2);
      },
      "no more than is left");
}

}  // namespace
}  // namespace weft
