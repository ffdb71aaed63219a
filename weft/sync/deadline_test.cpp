#include "tests/support/sync_fixture.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <limits>
#include <mutex>
#include <source_location>
#include <system_error>

#include <weft/combine/select.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/strand.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/scope.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using seconds = std::chrono::duration<double>;

constexpr auto infinity = std::numeric_limits<double>::infinity();
constexpr auto nan = std::numeric_limits<double>::quiet_NaN();

/// As many operations as may happen at the most between two looks at the clock.
constexpr int many = detail::most_operations_between_checks;

TEST(spans_of_time, in_any_unit_are_rounded_up_and_never_wrap) {
  EXPECT_EQ(time_span{}, 0ns);
  EXPECT_EQ(time_span{1ms}, 1'000'000ns);
  EXPECT_EQ((time_span{std::chrono::duration<int, std::pico>{1}}), 1ns);
  EXPECT_EQ((time_span{std::chrono::duration<int, std::pico>{-1}}), 0ns);
  EXPECT_EQ(time_span{seconds{0.25}}, 250ms);
  EXPECT_EQ(time_span{seconds{-0.25}}, -250ms);
  EXPECT_EQ(time_span{std::chrono::hours::max()}, duration::max());
  EXPECT_EQ(time_span{std::chrono::hours::min()}, duration::min());
  EXPECT_EQ(time_span{std::chrono::years{300}}, duration::max());
  EXPECT_EQ(time_span{std::chrono::years{-300}}, duration::min());
  EXPECT_EQ((time_span{std::chrono::duration<std::uint64_t>::max()}), duration::max());
  EXPECT_EQ((time_span{std::chrono::duration<std::uint64_t, std::nano>::max()}), duration::max());
  EXPECT_EQ(time_span{std::chrono::seconds{9'223'372'036}}, std::chrono::seconds{9'223'372'036});
  EXPECT_EQ(time_span{std::chrono::seconds{9'223'372'037}}, duration::max());
  EXPECT_EQ(time_span{seconds{infinity}}, duration::max());
  EXPECT_EQ(time_span{seconds{-infinity}}, duration::min());
  EXPECT_EQ(time_span{seconds{nan}}, 0ns);
  EXPECT_EQ((time_span{std::chrono::duration<float, std::milli>{1e30f}}), duration::max());
  EXPECT_EQ((time_span{std::chrono::duration<long double>{1.5L}}), 1500ms);
}

TEST(points_in_time, on_any_clock_are_deadlines_that_never_wrap) {
  virtual_clock clock;
  using system = std::chrono::system_clock;
  EXPECT_EQ(deadline_at(time_point::max()), no_deadline);
  EXPECT_EQ(deadline_at(time_point::min()), time_point::min());
  EXPECT_EQ(deadline_at(std::chrono::time_point<time_point::clock, seconds>{seconds{infinity}}), no_deadline);
  EXPECT_LE(deadline_at(std::chrono::time_point<time_point::clock, seconds>{seconds{nan}}), now());
  EXPECT_EQ(deadline_at(std::chrono::time_point<time_point::clock, seconds>{seconds{0.5}}), time_point{500ms});
  EXPECT_EQ(deadline_at(std::chrono::sys_days::max()), no_deadline);
  EXPECT_EQ(deadline_at(std::chrono::sys_days::min()), now());
  // Beyond what nanoseconds since 1970 can hold, and not what they can hold from now on.
  EXPECT_GE(deadline_at(std::chrono::sys_days{std::chrono::year{2290} / 1 / 1}), now() + std::chrono::years{200});
  EXPECT_GE(deadline_at(system::time_point::max()), now() + std::chrono::years{200});
  EXPECT_EQ(deadline_after(std::chrono::hours::max()), no_deadline);
  EXPECT_LE(deadline_after(std::chrono::hours::min()), now());
}

class deadlines : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(deadlines);

/// A task that calls `f`, waits, and goes on waiting until it is cancelled.
template <class F>
void expect_to_wait(F f, std::source_location here = std::source_location::current()) {
  auto task = spawn(f);
  while (!task.has_ended() && !task.is_parked()) yield();
  EXPECT_FALSE(task.has_ended()) << "line " << here.line();
  task.cancel();
  EXPECT_EQ(task.join(), errc::cancelled) << "line " << here.line();
}

TEST_P(deadlines, that_the_clock_cannot_hold_never_come) {
  run([] {
    channel<int> never{0};
    expect_to_wait([] { return sleep(std::chrono::hours::max()).error(); });
    expect_to_wait([] { return sleep(std::chrono::years{300}).error(); });
    expect_to_wait([] { return sleep(seconds{infinity}).error(); });
    expect_to_wait([] { return sleep_until(time_point::max()).error(); });
    expect_to_wait(
        []() -> task<std::error_code> { co_return (co_await async_sleep(std::chrono::days::max())).error(); });
    expect_to_wait([&] {
      deadline_scope limit{std::chrono::years{300}};
      return never.recv().error();
    });
    expect_to_wait([&] { return await(with_timeout(never.async_recv(), std::chrono::hours::max())).error(); });
    expect_to_wait([&] { return never.recv_for(std::chrono::hours::max()).error(); });
    expect_to_wait([&] { return never.send_for(1, seconds{1e300}).error().reason; });
    expect_to_wait([&] { return never.recv_until(std::chrono::sys_days::max()).error(); });
  });
}

TEST_P(deadlines, take_fractions_of_a_second_and_nonsense) {
  run([] {
    auto began = now();
    EXPECT_TRUE(sleep(seconds{0.25}));
    EXPECT_GE(now() - began, 250ms);
    EXPECT_LT(now() - began, 251ms);
    channel<int> never{0};
    for (auto past : {seconds{nan}, seconds{-infinity}, seconds{-1}}) {
      EXPECT_TRUE(sleep(past));
      deadline_scope limit{past};
      EXPECT_EQ(never.recv().error(), errc::timed_out);
      EXPECT_EQ(await(with_timeout(never.async_recv(), past)).error(), errc::timed_out);
    }
    EXPECT_LT(now() - began, 251ms);
  });
}

/// Carries out operations that need no wait, one after another, under a deadline that passes after the third.
class loops : public testing::sync_test {
 protected:
  /// How many of the operations that `make` makes succeed after the deadline has passed.
  template <class Make>
  static int late(Make make) {
    switch (std::get<1>(GetParam())) {
      case testing::waiter_kind::virtual_thread: return spawn([&] { return loop(make); }).join();
      case testing::waiter_kind::coroutine: return spawn([&]() -> task<int> { return async_loop(make); }).join();
      case testing::waiter_kind::os_thread: break;
    }
    return blocking([&] { return loop(make); });
  }

 private:
  static constexpr int in_time = 3, too_many = 10 * many;

  template <class Make>
  static int loop(Make make) {
    deadline_scope limit{1h};
    for (int i = 0; i < too_many; ++i) {
      if (i == in_time) virtual_clock::active()->advance_to(limit.deadline());
      auto outcome = await(make());
      if (!outcome) {
        EXPECT_EQ(outcome.error(), errc::timed_out);
        return i - in_time;
      }
    }
    return too_many;
  }
  template <class Make>
  static task<int> async_loop(Make make) {
    deadline_scope limit{1h};
    for (int i = 0; i < too_many; ++i) {
      if (i == in_time) virtual_clock::active()->advance_to(limit.deadline());
      auto outcome = co_await make();
      if (!outcome) {
        EXPECT_EQ(outcome.error(), errc::timed_out);
        co_return i - in_time;
      }
    }
    co_return too_many;
  }
};
WEFT_FOR_WAITERS_OF_EVERY_KIND(loops);

TEST_P(loops, of_operations_that_need_no_wait_end_when_their_deadline_has_passed) {
  run([] {
    channel<int> numbers{unbounded}, others{unbounded};
    for (int i = 0; i < 100 * many; ++i) {
      ASSERT_TRUE(numbers.try_send(i));
      ASSERT_TRUE(others.try_send(i));
    }
    EXPECT_LE(late([&] { return numbers.async_recv(); }), many);
    EXPECT_LE(late([&] { return async_select(numbers.async_recv(), others.async_recv()); }), many);
    EXPECT_LE(late([&] { return with_timeout(numbers.async_recv(), 100h); }), many);
    semaphore permits{semaphore::max};
    EXPECT_LE(late([&] { return permits.async_acquire(); }), many);
    event happened;
    happened.set();
    EXPECT_LE(late([&] { return happened.async_wait(); }), many);
    EXPECT_LE(late([&] { return async_sleep(0s); }), many);
  });
}

TEST_P(loops, go_on_in_the_next_scope_and_after_it) {
  run([] {
    channel<int> numbers{unbounded};
    for (int i = 0; i < 100 * many; ++i) ASSERT_TRUE(numbers.try_send(i));
    EXPECT_LE(late([&] { return numbers.async_recv(); }), many);
    {
      deadline_scope past{-1h};
      while (numbers.recv()) {}
    }
    for (int i = 0; i < 3 * many; ++i) EXPECT_TRUE(numbers.recv());
    for (int i = 0; i < 3 * many; ++i) {
      deadline_scope next{1h};
      EXPECT_TRUE(numbers.recv());
    }
    deadline_scope outer{1h};
    virtual_clock::active()->advance_to(outer.deadline());
    int received = 0;
    for (; received < 10 * many; ++received) {
      deadline_scope inner{2h};  // a scope for each operation holds up no look
      if (!numbers.recv()) break;
    }
    EXPECT_LE(received, many);
  });
}

TEST_P(deadlines, that_have_passed_park_nothing) {
  run([] {
    channel<int> never{0};
    mutex guard;
    condition_variable changed;
    auto resumed = [] { return runtime::current()->statistics().resumed; };
    auto before = resumed();
    deadline_scope past{-1h};
    EXPECT_EQ(never.recv().error(), errc::timed_out);
    EXPECT_EQ(never.send(1).error().reason, errc::timed_out);
    EXPECT_EQ(sleep(1h).error(), errc::timed_out);
    EXPECT_EQ(select(never.async_recv(), async_sleep(1h)).error(), errc::timed_out);
    {
      std::unique_lock lock{guard};
      EXPECT_EQ(changed.wait(lock).error(), errc::timed_out);
      EXPECT_TRUE(lock.owns_lock());
      EXPECT_EQ(select(changed.async_wait(lock), never.async_recv()).error(), errc::timed_out);
    }
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
    EXPECT_EQ(resumed(), before);
  });
}

TEST_P(deadlines, that_have_passed_let_what_can_happen_at_once_happen_once) {
  run([] {
    channel<int> numbers{1};
    ASSERT_TRUE(numbers.try_send(1));
    deadline_scope past{-1h};
    EXPECT_EQ(numbers.recv(), 1);
  });
}

TEST_P(deadlines, let_others_run_while_operations_fail) {
  run([] {
    std::atomic<bool> ran{false};
    channel<int> never{0};
    auto other = spawn([&] { ran = true; });
    deadline_scope past{-1h};
    while (!ran) EXPECT_EQ(never.recv().error(), errc::timed_out);
    other.join();
  });
}

TEST_P(deadlines, are_inherited_by_all_that_is_spawned_by_whatever_call) {
  run([] {
    std::array<std::error_code, 5> seen;
    {
      deadline_scope limit{5s};
      auto thread = spawn([&] { seen[0] = sleep(1h).error(); });
      auto coroutine = spawn([&]() -> task<> { seen[1] = (co_await async_sleep(1h)).error(); });
      scope children;
      children.spawn([&] { seen[2] = sleep(1h).error(); });
      auto result =
          children.spawn_result([]() -> task<std::error_code> { co_return (co_await async_sleep(1h)).error(); });
      auto nearest = [] { return deadline_scope{100h}.deadline(); };
      auto* home = runtime::current();
      EXPECT_EQ(blocking(nearest), limit.deadline());
      EXPECT_EQ(blocking([&] { return run_in(*home, {}, nearest); }), limit.deadline());
      thread.join();
      coroutine.join();
      children.join();
      seen[3] = result.take();
      auto spawned = spawn([&] { return spawn([] { return sleep(1h).error(); }).join(); });
      seen[4] = spawned.join();
    }
    for (const auto& each : seen) EXPECT_EQ(each, errc::timed_out);
  });
}

TEST_P(deadlines, are_not_inherited_where_the_spawn_says_so) {
  run([] {
    auto began = now();
    deadline_scope limit{5s};
    auto free = spawn({.deadline = inherits_deadline::no}, [] { return sleep(1h).has_value(); });
    auto coroutine = spawn({.deadline = inherits_deadline::no},
                           []() -> task<bool> { co_return (co_await async_sleep(1h)).has_value(); });
    EXPECT_TRUE(free.join());
    EXPECT_TRUE(coroutine.join());
    EXPECT_GE(now() - began, 1h);
  });
}

TEST_P(deadlines, do_not_end_a_strand_that_was_made_under_them) {
  run([] {
    std::unique_ptr<strand<int>> numbers;
    {
      deadline_scope limit{1s};
      numbers = std::make_unique<strand<int>>(1);
    }
    EXPECT_TRUE(sleep(1h));
    EXPECT_EQ(numbers->run([](int& number) { return ++number; }), 2);
  });
}

TEST_P(deadlines, make_every_child_of_a_scope_time_out_whichever_sees_it_first) {
  run([] {
    for (int round = 0; round < 50; ++round) {
      std::array<std::error_code, 8> seen;
      channel<int> never{0};
      try {
        deadline_scope limit{1s};
        scope children;
        for (std::size_t i = 0; i < seen.size(); i += 4) {
          children.spawn([&, i] { seen[i] = never.recv().error(); });
          children.spawn([&, i]() -> task<> { seen[i + 1] = (co_await never.async_recv()).error(); });
          // Whose failure cancels the others.
          children.spawn([&, i] {
            seen[i + 2] = never.recv().error();
            throw std::system_error{seen[i + 2]};
          });
          children.spawn([&, i] {
            scope inner;
            inner.spawn([&, i] { seen[i + 3] = never.recv().error(); });
          });
        }
        children.join();
        ADD_FAILURE() << "one of them threw";
      } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), errc::timed_out);
      }
      for (const auto& each : seen) EXPECT_EQ(each, errc::timed_out);
    }
  });
}

TEST_P(deadlines, that_have_not_passed_leave_a_cancel_what_it_is) {
  run([] {
    deadline_scope limit{1h};
    channel<int> never{0};
    auto waiter = spawn([&] { return never.recv().error(); });
    testing::run_until_parked(waiter);
    waiter.cancel();
    EXPECT_EQ(waiter.join(), errc::cancelled);
  });
}

}  // namespace
}  // namespace weft
