#include <weft/sched/detail/runnable.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

namespace weft::sched {
namespace {

/// Parks nowhere: the test asks whether it would.
class waiter final : public runnable {
 public:
  void resume(carrier&) noexcept override {}
  void make_ready() noexcept override { ++made_ready; }
  int made_ready = 0;
};

constexpr auto cancelled = static_cast<std::int32_t>(wake_reason::cancelled);

TEST(runnable, the_reason_of_a_wait_is_that_of_the_one_who_claimed_it) {
  waiter self;
  ASSERT_TRUE(self.begin_wait(cancellable::yes));
  EXPECT_TRUE(self.claim(self.epoch()));
  EXPECT_FALSE(self.claim(self.epoch()));
  self.request_cancel();
  self.notify(5);
  EXPECT_FALSE(self.commit_park());
  EXPECT_EQ(self.reason(), 5);
  EXPECT_FALSE(self.begin_wait(cancellable::yes));  // the request stays
}

TEST(runnable, is_made_ready_once_and_only_if_it_had_parked) {
  waiter self;
  ASSERT_TRUE(self.begin_wait(cancellable::yes));
  auto epoch = self.epoch();
  EXPECT_TRUE(self.commit_park());
  EXPECT_TRUE(self.is_parked());
  EXPECT_TRUE(self.claim(epoch));
  self.notify(0);
  EXPECT_EQ(self.made_ready, 1);
  self.request_cancel();
  ASSERT_TRUE(self.begin_wait(cancellable::no));
  EXPECT_FALSE(self.claim(epoch)) << "a waker of the wait before";
  EXPECT_TRUE(self.claim_own());
  self.end_wait_claimed();
  EXPECT_EQ(self.made_ready, 1);
}

// For ThreadSanitizer: the counter orders nothing, so that whatever order there is comes from the waiter's own word.
TEST(runnable, a_cancel_before_the_park_comes_after_all_that_the_waiter_did_before_the_wait) {
  auto waits = std::make_unique<waiter>();  // not on the stack, where a compiler may leave accesses uninstrumented
  auto& self = *waits;
  std::atomic<int> turn{0};
  auto wait_for_turn = [&turn](int mine) {
    // relaxed: see above
    while (turn.load(std::memory_order_relaxed) != mine) std::this_thread::yield();
  };
  auto pass_on = [&turn] { turn.fetch_add(1, std::memory_order_relaxed); };  // relaxed: see above
  std::thread other{[&] {
    wait_for_turn(1);
    EXPECT_TRUE(self.claim(1));
    self.notify(7);
    pass_on();
    wait_for_turn(3);
    self.request_cancel();  // writes the reason, which the waiter has read
    pass_on();
  }};
  EXPECT_TRUE(self.begin_wait(cancellable::yes));
  EXPECT_EQ(self.epoch(), 1u);
  pass_on();
  wait_for_turn(2);
  EXPECT_FALSE(self.commit_park());
  EXPECT_EQ(self.reason(), 7);
  EXPECT_TRUE(self.begin_wait(cancellable::yes));
  pass_on();
  wait_for_turn(4);
  EXPECT_FALSE(self.commit_park());
  EXPECT_EQ(self.reason(), cancelled);
  other.join();
}

// For ThreadSanitizer, as above.
TEST(runnable, a_task_that_finds_a_request_to_cancel_sees_what_was_done_before_it) {
  waiter self;
  int done_before = 0;
  std::atomic<bool> requested{false};
  std::thread canceller{[&] {
    done_before = 1;
    self.request_cancel();
    requested.store(true, std::memory_order_relaxed);
  }};
  while (!requested.load(std::memory_order_relaxed)) std::this_thread::yield();
  EXPECT_FALSE(self.begin_wait(cancellable::yes));
  EXPECT_EQ(done_before, 1);
  canceller.join();
}

}  // namespace
}  // namespace weft::sched
