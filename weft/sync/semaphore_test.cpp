#include "tests/support/sync_fixture.hpp"

#include <atomic>
#include <memory>

#include <weft/sync/semaphore.hpp>
#include <weft/task/deadline_scope.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;
using testing::sync_test;

class semaphore_waits : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(semaphore_waits);

TEST_P(semaphore_waits, that_time_out_or_are_cancelled_take_no_permit) {
  run([] {
    semaphore permits{1};
    EXPECT_EQ(start([&] { return permits.async_acquire(2); }, 1s).outcome().error(), errc::timed_out);
    auto waiter = start_parked([&] { return permits.async_acquire(2); });
    waiter.cancel();
    EXPECT_EQ(waiter.outcome().error(), errc::cancelled);
    EXPECT_EQ(permits.available(), 1u);
    EXPECT_TRUE(permits.try_acquire());
    EXPECT_FALSE(permits.try_acquire());
  });
}

TEST_P(semaphore_waits, that_are_cancelled_after_the_release_have_the_permit) {
  run([] {
    semaphore permits{0};
    auto waiter = start_parked([&] { return permits.async_acquire(); });
    permits.release();
    waiter.cancel();
    EXPECT_TRUE(waiter.outcome());
    EXPECT_EQ(permits.available(), 0u);
  });
}

TEST_P(semaphore_waits, for_many_permits_are_not_overtaken_by_waits_for_few) {
  run([] {
    semaphore permits{2};
    auto large = start_parked([&] { return permits.async_acquire(3); });
    auto small = start_parked([&] { return permits.async_acquire(1); });
    EXPECT_FALSE(permits.try_acquire()) << "two are free, but somebody waits for them";
    permits.release();
    EXPECT_TRUE(large.outcome());
    EXPECT_TRUE(small.is_parked());
    permits.release();
    EXPECT_TRUE(small.outcome());
    EXPECT_EQ(permits.available(), 0u);
  });
}

TEST_P(semaphore_waits, for_many_permits_let_those_behind_them_through_when_they_give_up) {
  run([] {
    semaphore permits{2};
    auto large = start_parked([&] { return permits.async_acquire(3); });
    auto first = start_parked([&] { return permits.async_acquire(1); });
    auto second = start_parked([&] { return permits.async_acquire(1); });
    large.cancel();
    EXPECT_EQ(large.outcome().error(), errc::cancelled);
    EXPECT_TRUE(first.outcome());
    EXPECT_TRUE(second.outcome());
    EXPECT_FALSE(permits.try_acquire());
  });
}

TEST_P(semaphore_waits, end_as_many_at_once_as_permits_are_released) {
  run([] {
    semaphore permits{0};
    auto first = start_parked([&] { return permits.async_acquire(2); });
    auto second = start_parked([&] { return permits.async_acquire(1); });
    auto third = start_parked([&] { return permits.async_acquire(1); });
    permits.release(3);
    EXPECT_TRUE(first.outcome());
    EXPECT_TRUE(second.outcome());
    EXPECT_TRUE(third.is_parked());
    permits.release(5);
    EXPECT_TRUE(third.outcome());
    EXPECT_EQ(permits.available(), 4u);
  });
}

class semaphores : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(semaphores);

TEST_P(semaphores, never_let_in_more_than_their_permits) {
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

TEST_P(semaphores, may_be_destroyed_by_the_waiter_while_release_returns) {
  run([] {
    for (int round = 0; round < 500; ++round) {
      auto shared = std::make_unique<semaphore>(0);
      auto waiter = spawn([&] {
        EXPECT_TRUE(shared->acquire());
        shared.reset();
      });
      if (round % 2 == 0) run_until_parked(waiter);
      shared->release();
      waiter.join();
    }
  });
}

TEST_P(semaphores, lose_no_permit_when_waits_of_all_sizes_time_out) {
  run([] {
    constexpr std::size_t total = 5;
    semaphore permits{total};
    std::atomic<int> timeouts{0};
    {
      scope all;
      for (std::size_t i = 0; i < 40; ++i) {
        all.spawn([&, i] {
          for (int round = 0; round < 50; ++round) {
            deadline_scope limit{std::chrono::microseconds{2 + i % 7}};
            auto wanted = 1 + i % total;
            if (permits.acquire(wanted)) {
              static_cast<void>(sleep(1us));
              permits.release(wanted);
            } else {
              ++timeouts;
            }
          }
        });
      }
    }
    EXPECT_GT(timeouts.load(), 0);
    EXPECT_EQ(permits.available(), total);
    EXPECT_TRUE(permits.try_acquire(total));
  });
}

TEST(semaphore_misuse, too_many_permits_end_the_program_with_advice) {
  EXPECT_DEATH(semaphore{semaphore::max + 1}, "at most semaphore::max");
  EXPECT_DEATH(
      {
        semaphore permits{semaphore::max};
        permits.release();
      },
      "more permits were released than a semaphore can hold");
}

}  // namespace
}  // namespace weft
