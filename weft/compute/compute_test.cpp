#include "tests/support/task_fixture.hpp"

#include <atomic>
#include <source_location>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <weft/combine/race.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/compute/compute.hpp>
#include <weft/compute/fork_join.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/task/accounting_scope.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;

class parallel : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(parallel);

TEST_P(parallel, compute_runs_elsewhere_while_the_seat_serves_others) {
  run([] {
    std::atomic<bool> neighbour_ran{false};
    auto neighbour = spawn([&] { neighbour_ran = true; });
    auto here = std::this_thread::get_id();
    auto there = compute([&] {
      while (!neighbour_ran) std::this_thread::yield();  // would hang if it sat on the neighbour's only seat
      return std::this_thread::get_id();
    });
    EXPECT_NE(here, there);
    neighbour.join();
  });
}

TEST_P(parallel, compute_throws_what_the_function_threw_also_into_a_coroutine) {
  run([] {
    EXPECT_THROW(compute([]() -> int { throw std::runtime_error{"computed"}; }), std::runtime_error);
    auto coroutine = spawn([]() -> task<int> { co_return co_await async_compute([] { return 6 * 7; }); });
    EXPECT_EQ(coroutine.join(), 42);
  });
}

TEST_P(parallel, compute_is_accounted_as_waiting_and_as_computed) {
  run([] {
    accounting account;
    accounting_scope installed{account};
    compute([] {
      auto end = std::chrono::steady_clock::now() + 2ms;
      while (std::chrono::steady_clock::now() < end) {}
    });
    EXPECT_GE(account.computed, 2ms);
  });
}

TEST_P(parallel, compute_inside_compute_runs_in_place) {
  run([] {
    EXPECT_TRUE(compute([] {
      auto outer = std::this_thread::get_id();
      return compute([outer] { return outer == std::this_thread::get_id(); });
    }));
  });
}

TEST_P(parallel, what_a_call_site_costs_is_recorded) {
  run([] {
    auto line = std::source_location::current().line() + 1;
    for (int i = 0; i < 3; ++i) compute([] { std::this_thread::yield(); });
    auto sites = runtime::current()->compute_sites();
    ASSERT_EQ(sites.size(), 1u);
    EXPECT_EQ(sites[0].called_at.line(), line);
    EXPECT_EQ(sites[0].calls, 3u);
    EXPECT_GT(sites[0].total, 0ns);
    EXPECT_GE(sites[0].total, sites[0].longest);
  });
}

/// One carrier, held until the test lets it go.
class held_carrier {
 public:
  held_carrier()
      : holds_{spawn([this] {
          compute([this] {
            began_ = true;
            while (!let_go_) std::this_thread::yield();
          });
        })} {
    while (!began_) yield();
  }
  void let_go() {
    let_go_ = true;
    holds_.join();
  }

 private:
  std::atomic<bool> began_{false}, let_go_{false};
  join_handle<void> holds_;
};

parallel_task<> set(std::atomic<bool>* flag) {
  *flag = true;
  co_return;
}

TEST(parallel_on_one_carrier, a_computation_that_waits_for_its_turn_can_be_cancelled) {
  runtime home{{.seats = 1, .compute_carriers = 1}};
  run_in(home, {}, [&] {
    held_carrier held;
    std::atomic<bool> ran{false};
    auto waits = spawn([&] { return try_compute([&] { ran = true; }); });
    testing::run_until_parked(waits);
    EXPECT_EQ(home.computing().queued, 1u);
    waits.cancel();
    EXPECT_EQ(waits.join().error(), errc::cancelled);
    EXPECT_EQ(home.computing().queued, 0u);
    auto forks = spawn([&] { fork_join(set, &ran); });
    testing::run_until_parked(forks);
    forks.cancel();
    EXPECT_THROW(forks.join(), std::system_error);
    held.let_go();
    EXPECT_FALSE(ran.load());
    EXPECT_EQ(try_compute([] { return 7; }).value(), 7);
  });
}

TEST(parallel_on_one_carrier, compute_always_begins_and_cancel_does_not_end_it) {
  runtime home{{.seats = 1, .compute_carriers = 1}};
  run_in(home, {}, [&] {
    held_carrier held;
    auto waits = spawn([] { return compute([] { return 5; }); });
    while (home.computing().queued == 0) yield();
    waits.cancel();
    held.let_go();
    EXPECT_EQ(waits.join(), 5);
  });
}

TEST(parallel_on_one_carrier, tasks_that_compute_are_served_in_their_order) {
  runtime home{{.seats = 1, .compute_carriers = 1}};
  run_in(home, {}, [&] {
    held_carrier held;
    std::vector<int> order;
    std::vector<join_handle<void>> waiting;
    for (int i = 0; i < 5; ++i) {
      waiting.push_back(spawn([&order, i] { compute([&] { order.push_back(i); }); }));
      testing::run_until_parked(waiting.back());
    }
    held.let_go();
    for (auto& each : waiting) each.join();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  });
}

parallel_task<> forks_until(const std::atomic<bool>* over) {
  std::atomic<bool> ignored{false};
  while (!over->load()) {
    co_await fork(set, &ignored);
    co_await join();
  }
}

TEST(parallel_on_several_carriers, compute_gets_its_turn_beside_fork_join) {
  runtime home{{.seats = 1, .compute_carriers = 2}};
  run_in(home, {}, [&] {
    std::atomic<bool> over{false};
    auto busy = spawn([&] { fork_join(forks_until, &over); });
    for (int i = 0; i < 20; ++i) EXPECT_EQ(compute([i] { return i; }), i);
    over = true;
    busy.join();
  });
}

TEST(parallel_at_shutdown, detached_tasks_that_compute_end_first) {
  std::atomic<int> ended{0};
  {
    runtime home{{.seats = 2, .compute_carriers = 2}};
    run_in(home, {}, [&] {
      for (int i = 0; i < 20; ++i) {
        spawn([&] {
          compute([] { std::this_thread::yield(); });
          ended.fetch_add(1);
        }).detach();
      }
    });
  }
  EXPECT_EQ(ended.load(), 20);
}

TEST(parallel_on_os_threads, without_a_runtime_compute_runs_in_place) {
  EXPECT_EQ(compute([] { return 5; }), 5);
  EXPECT_EQ(try_compute([] { return 5; }).value(), 5);
}

TEST(computations, are_waited_for_together_and_race_while_they_wait_for_their_turn) {
  runtime home{{.seats = 1, .compute_carriers = 1}};
  run_in(home, {}, [] {
    auto [one, two, three] =
        await(when_all(async_compute([] { return 1; }), async_try_compute([] { return 2; }), async_compute([] {})));
    EXPECT_EQ(one, 1);
    EXPECT_EQ(two, 2);
    EXPECT_TRUE(three);
    // The only carrier is taken: who waits for its turn loses, and never begins.
    std::atomic<bool> go{false}, busy{false}, begun{false};
    auto taker = spawn([&] {
      compute([&] {
        busy = true;
        while (!go) std::this_thread::yield();
      });
    });
    while (!busy) yield();
    auto outcome =
        await(race(async_try_compute([&] { return begun = true; }), async_sleep(std::chrono::milliseconds{1})));
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->index(), 1u);
    auto late = await(with_timeout(async_try_compute([&] { return begun = true; }), std::chrono::milliseconds{1}));
    EXPECT_EQ(late.error(), errc::timed_out);
    go = true;
    taker.join();
    EXPECT_FALSE(begun);
  });
}

}  // namespace
}  // namespace weft
