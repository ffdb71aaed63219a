// Tasks that stay on the OS thread that has begun them, whatever happens to its seat, and errno in libraries of others.

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include <weft/compute/compute.hpp>
#include <weft/parallel/parallel_for.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/event.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

extern "C" {
int fails_after(void (*wait)(void*), void* with);
int keeps_over(void (*wait)(void*), void* with, int number);
}

namespace weft {
namespace {

using namespace std::chrono_literals;

constexpr spawn_options stays{.name = "stays", .stays_on_thread = true};

// As a library would that knows nothing of tasks.
thread_local int of_thread = 0;

[[gnu::noinline]] std::thread::id this_thread() {
  asm volatile("" ::: "memory");
  return std::this_thread::get_id();
}

/// Keeps the other seats so busy that what is queued is stolen.
void keep_busy(scope& children, const std::atomic<bool>& over) {
  for (int i = 0; i < 8; ++i) {
    children.spawn([&] {
      while (!over) {
        for (auto until = std::chrono::steady_clock::now() + 20us; std::chrono::steady_clock::now() < until;) {}
        yield();
      }
    });
  }
}

TEST(tasks_that_stay, wake_on_the_thread_that_began_them_whoever_wakes_them) {
  runtime home{{.seats = 3}};
  run_in(home, {}, [] {
    std::atomic<bool> over{false};
    scope busy;
    keep_busy(busy, over);
    {
      channel<int> numbers{0u};
      scope all;
      for (int i = 0; i < 20; ++i) {
        all.spawn(stays, [&] {
          const auto began = this_thread();
          auto* const mine = &of_thread;  // not what a program should keep, but what a compiler does
          for (int round = 0; round < 50; ++round) {
            ++*mine;
            yield();
            EXPECT_EQ(this_thread(), began);
            static_cast<void>(sleep(std::chrono::microseconds{round}));
            EXPECT_EQ(this_thread(), began);
            static_cast<void>(numbers.send(round));
            EXPECT_EQ(this_thread(), began);
            EXPECT_EQ(mine, &of_thread);
          }
        });
        all.spawn(stays, [&]() -> task<> {
          const auto began = this_thread();
          for (int round = 0; round < 50; ++round) {
            co_await async_yield();
            EXPECT_EQ(this_thread(), began);
            static_cast<void>(co_await numbers.async_recv());
            EXPECT_EQ(this_thread(), began);
          }
        });
      }
      // A plain OS thread wakes one as well.
      event from_outside;
      std::thread outside{[&] { from_outside.set(); }};
      auto waits = spawn(stays, [&] {
        const auto began = this_thread();
        EXPECT_TRUE(from_outside.wait());
        EXPECT_EQ(this_thread(), began);
      });
      waits.join();
      outside.join();
      all.join();
    }
    over = true;
  });
}

TEST(tasks_that_stay, under_a_virtual_clock_let_no_time_pass_while_they_are_to_run) {
  virtual_clock clock;
  runtime home{{.seats = 3}};
  run_in(home, {}, [] {
    scope all;
    for (int i = 0; i < 20; ++i) {
      all.spawn(stays, [i] {
        const auto began = this_thread();
        for (int round = 0; round < 100; ++round) {
          auto due = now() + std::chrono::seconds{1 + i % 3};
          EXPECT_TRUE(sleep_until(due));
          EXPECT_LT(now() - due, 1ms);
          EXPECT_EQ(this_thread(), began);
        }
      });
    }
  });
}

/// Has two tasks that stay on one thread, of which one keeps the only seat until another task has run, which only the
/// seat, gone on without it, can run. The other one then calls `f`. False: they did not begin on the same thread, since
/// the seat changed hands in between, as it does when the system does not run its thread.
template <class F>
[[nodiscard]] bool go_on_beside_one_that_is_stuck(F f) {
  event go;
  std::atomic<bool> is_stuck{false}, other_ran{false};
  std::thread::id of_stuck, of_waiting;
  auto waiting = spawn(stays, [&] {
    of_waiting = this_thread();
    EXPECT_TRUE(go.wait());
    EXPECT_EQ(this_thread(), of_waiting);
    if (of_stuck == of_waiting) f();
    EXPECT_EQ(this_thread(), of_waiting);
  });
  while (!waiting.is_parked()) yield();
  auto stuck = spawn(stays, [&] {
    of_stuck = this_thread();
    is_stuck = true;
    if (of_stuck != of_waiting) return;
    while (!other_ran) {}
    EXPECT_EQ(this_thread(), of_stuck);
    static_cast<void>(sleep(1ms));
    EXPECT_EQ(this_thread(), of_stuck);
    yield();
    EXPECT_EQ(this_thread(), of_stuck);
  });
  auto other = spawn([&] {
    while (!is_stuck) yield();
    if (of_stuck == of_waiting) EXPECT_NE(this_thread(), of_stuck);
    go.set();
    other_ran = true;
  });
  other.join();
  stuck.join();
  waiting.join();
  return of_stuck == of_waiting;
}

template <class F>
void go_on_beside(F f) {
  while (!go_on_beside_one_that_is_stuck(f)) {}
}

TEST(tasks_that_stay, go_on_beside_the_seat_where_one_of_them_keeps_it) {
  runtime home{{.seats = 1, .watchdog = {.slice = 1ms}}};
  run_in(home, {}, [&] {
    go_on_beside([] {
      channel<int> numbers{0u};
      const auto here = this_thread();
      auto sender = spawn(stays, [&] {
        EXPECT_NE(this_thread(), here);  // whatever begins now begins on the seat
        for (int i = 0; i < 100; ++i) static_cast<void>(numbers.send(i));
      });
      for (int i = 0; i < 100; ++i) {
        auto got = numbers.recv();
        EXPECT_TRUE(got && *got == i);
        EXPECT_EQ(this_thread(), here);
        yield();
        EXPECT_EQ(this_thread(), here);
      }
      sender.join();
    });
  });
}

TEST(tasks_that_stay, are_waited_for_at_shutdown_on_their_thread) {
  std::atomic<int> cancelled_ones{0};
  {
    runtime home{{.seats = 1, .watchdog = {.slice = 1ms}}};
    run_in(home, {}, [&] {
      for (int i = 0; i < 10; ++i) {
        auto detached = spawn(stays, [&] {
          const auto began = this_thread();
          EXPECT_EQ(sleep(std::chrono::hours{1}).error(), errc::cancelled);
          EXPECT_EQ(this_thread(), began);
          cancellation_shield shield;
          EXPECT_TRUE(sleep(1ms));
          EXPECT_EQ(this_thread(), began);
          ++cancelled_ones;
        });
        while (!detached.is_parked()) yield();
        detached.detach();
      }
      go_on_beside([] {});
    });
  }
  EXPECT_EQ(cancelled_ones, 10);
}

TEST(tasks_that_stay, have_computed_and_blocked_for_on_other_threads) {
  runtime home{{.seats = 2}};
  run_in(home, {}, [] {
    auto stay = [] {
      const auto began = this_thread();
      for (int i = 0; i < 20; ++i) {
        std::thread::id computed, nested, blocked;
        EXPECT_EQ(compute([&] {
                    computed = this_thread();
                    static_cast<void>(sleep(1us));  // it may wait there
                    compute([&] { nested = this_thread(); });
                    return i;
                  }),
                  i);
        EXPECT_EQ(this_thread(), began);
        EXPECT_NE(computed, began);
        EXPECT_NE(nested, began);
        EXPECT_TRUE(try_compute([&] { computed = this_thread(); }));
        EXPECT_NE(computed, began);
        blocking([&] { blocked = this_thread(); });
        EXPECT_EQ(this_thread(), began);
        EXPECT_NE(blocked, began);
        std::atomic<int> sum{0};
        parallel_for(0, 1000, [&](int) { ++sum; });
        EXPECT_EQ(sum, 1000);
        EXPECT_EQ(this_thread(), began);
        EXPECT_THROW(compute([] { throw 7; }), int);
        EXPECT_EQ(this_thread(), began);
      }
    };
    scope all;
    for (int i = 0; i < 4; ++i) all.spawn(stays, stay);
    all.spawn(stays, []() -> task<> {
      const auto began = this_thread();
      for (int i = 0; i < 20; ++i) {
        EXPECT_NE(co_await async_compute([] { return this_thread(); }), began);
        EXPECT_EQ(this_thread(), began);
      }
    });
  });
}

TEST(tasks_that_stay, are_all_where_the_runtime_says_so) {
  runtime home{{.seats = 3, .stays_on_thread = true}};
  run_in(home, {}, [] {
    const auto mine = this_thread();
    std::atomic<bool> over{false};
    {
      scope busy;
      keep_busy(busy, over);
      scope all;
      for (int i = 0; i < 50; ++i) {
        all.spawn([] {
          const auto began = this_thread();
          for (int round = 0; round < 50; ++round) {
            yield();
            EXPECT_EQ(this_thread(), began);
            static_cast<void>(sleep(std::chrono::microseconds{round}));
            EXPECT_EQ(this_thread(), began);
          }
        });
      }
      all.join();
      over = true;
    }
    EXPECT_EQ(this_thread(), mine);
  });
}

TEST(tasks_that_stay, do_not_starve_where_others_keep_the_seat_busy) {
  runtime home{{.seats = 2}};
  run_in(home, {}, [] {
    std::atomic<bool> over{false};
    scope busy;
    keep_busy(busy, over);
    // They wake each other from wherever they stay.
    channel<int> there{0u}, back{0u};
    auto first = spawn(stays, [&] {
      for (int i = 0; i < 200; ++i) {
        static_cast<void>(there.send(i));
        auto got = back.recv();
        EXPECT_TRUE(got && *got == i);
      }
    });
    auto second = spawn(stays, [&] {
      for (int i = 0; i < 200; ++i) static_cast<void>(back.send(*there.recv()));
    });
    first.join();
    second.join();
    over = true;
  });
}

/// Another seat's task sets the errno of whichever thread it runs on, and wakes who hops.
struct hops {
  channel<int> asked{0u}, answered{0u};
  static void once(void* self) {
    auto& all = *static_cast<hops*>(self);
    static_cast<void>(all.asked.send(0));
    static_cast<void>(all.answered.recv());
  }
};

TEST(libraries_in_c, find_errno_as_they_left_it_and_where_it_is_set) {
  runtime home{{.seats = 2}};
  run_in(home, {}, [] {
    hops between;
    std::atomic<bool> over{false};
    scope others;
    keep_busy(others, over);
    auto helper = spawn([&] {
      while (between.asked.recv()) {
        errno = 1000;
        static_cast<void>(between.answered.send(0));
      }
    });
    std::set<std::thread::id> seen;
    for (int i = 0; i < 20'000 && (seen.size() < 2 || i < 1000); ++i) {
      EXPECT_EQ(fails_after(&hops::once, &between), ERANGE);
      EXPECT_EQ(keeps_over(&hops::once, &between, 5), 5);
      seen.insert(this_thread());
    }
    over = true;
    between.asked.close();
    helper.join();
  });
}

}  // namespace
}  // namespace weft
