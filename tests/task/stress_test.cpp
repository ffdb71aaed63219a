#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <vector>

#include <weft/base/random.hpp>
#include <weft/task/offload.hpp>
#include <weft/task/runtime.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>

// Real time and real idleness: seats fall asleep in their drivers and are woken, which the virtual clock hides. What is
// checked is that everything ends and that every wait ended for one of the reasons that it may.

namespace weft {
namespace {

using namespace std::chrono_literals;

struct tally {
  std::atomic<int> slept{0}, cancelled{0}, timed_out{0};

  void count(const result<void>& outcome) {
    if (outcome) {
      ++slept;
    } else if (outcome.error() == errc::cancelled) {
      ++cancelled;
    } else {
      ASSERT_EQ(outcome.error(), errc::timed_out);
      ++timed_out;
    }
  }
};

void wait_somehow(base::random& random, tally& outcomes) {
  switch (random.below(6)) {
    case 0: yield(); break;
    case 1: outcomes.count(sleep(duration{random.below(50'000)})); break;
    case 2: {
      deadline_scope limit{duration{random.below(30'000)}};
      outcomes.count(sleep(duration{random.below(60'000)}));
      break;
    }
    case 3: blocking([] {}); break;
    case 4: {
      auto child = spawn([&outcomes, time = duration{random.below(100'000)}]() -> task<> {
        outcomes.count(co_await async_sleep(time));
      });
      if (random.below(2) == 0) child.cancel();
      break;  // the handle cancels and joins
    }
    case 5: {
      scope children;
      for (int i = 0; i < 3; ++i) {
        children.spawn([&outcomes, time = duration{random.below(40'000)}] { outcomes.count(sleep(time)); });
      }
      if (random.below(2) == 0) children.cancel();
      break;
    }
  }
}

class stress : public ::testing::TestWithParam<std::size_t> {};

TEST_P(stress, tasks_that_wait_spawn_cancel_and_time_out_at_random_all_end) {
  auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  tally outcomes;
  std::atomic<int> ended{0};
  constexpr int tasks = 100, rounds = 60;
  {
    runtime home{{.seats = GetParam(), .hibernate_after = duration::zero()}};
    run_in(home, {.name = "stress"}, [&] {
      scope all;
      for (int i = 0; i < tasks; ++i) {
        all.spawn([&, own_seed = seed + static_cast<unsigned>(i)] {
          base::random random{own_seed};
          for (int round = 0; round < rounds; ++round) wait_somehow(random, outcomes);
          ++ended;
        });
      }
    });
    home.shut_down();
    EXPECT_EQ(home.stacks().stats().in_use, 0u);
  }
  EXPECT_EQ(ended.load(), tasks);
  EXPECT_GT(outcomes.slept.load(), 0);
  EXPECT_GT(outcomes.cancelled.load(), 0);
  EXPECT_GT(outcomes.timed_out.load(), 0);
}

TEST_P(stress, tasks_thrown_over_from_an_os_thread_wake_an_idle_runtime_every_time) {
  runtime home{{.seats = GetParam()}};
  std::atomic<int> ran{0};
  for (int i = 0; i < 3'000; ++i) {
    run_in(home, {}, [&] { ++ran; });  // each finds the seats asleep, or on the way there
  }
  EXPECT_EQ(ran.load(), 3'000);
}

INSTANTIATE_TEST_SUITE_P(seats, stress, ::testing::Values(std::size_t{1}, std::size_t{2}, std::size_t{4}),
                         [](const auto& each) { return "seats_" + std::to_string(each.param); });

}  // namespace
}  // namespace weft
