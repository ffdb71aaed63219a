#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include <weft/base/random.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>

#include "tests/support/page_fault.hpp"
#include "weft/base/detail/system_call.hpp"

// Real time: a virtual clock never sees a task that does not park. Nothing here waits for time to pass, though: a stuck
// task is stuck until another task, which could not run without the watchdog, lets it go. Without the watchdog these
// tests would not end.

namespace weft {
namespace {

using namespace std::chrono_literals;
using sched::stall_reason;

/// What the watchdog has told.
class told {
 public:
  void operator()(const sched::stall& event) {
    std::lock_guard guard{mutex_};
    events_.push_back(event);
    changed_.notify_all();
  }

  /// Waits, on an OS thread, until something was told of a task of that name, and returns the first of it.
  [[nodiscard]] sched::stall first(std::string_view name) {
    std::unique_lock lock{mutex_};
    for (;;) {
      auto found = std::ranges::find(events_, name, &sched::stall::task_name);
      if (found != events_.end()) return *found;
      changed_.wait(lock);
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<sched::stall> events_;
};

/// Runs `f` as the first virtual thread of a runtime of `seats` seats that are watched closely.
template <class F>
void run_watched(std::size_t seats, told* listener, F f) {
  runtime_options options{.seats = seats};
  options.watchdog.slice = 2ms;
  if (listener) options.watchdog.on_stall = [listener](const sched::stall& event) { (*listener)(event); };
  runtime home{std::move(options)};
  run_in(home, {.name = "main"}, std::move(f));
  home.shut_down();
  EXPECT_EQ(home.stacks().stats().in_use, 0u) << "a task was leaked";
}

/// Keeps its core, and never parks.
class spinner {
 public:
  void spin() noexcept {
    begun_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a number
    // acquire: sees what was done before let_go()
    while (!released_.load(std::memory_order_acquire)) {}
  }
  /// Lets others run until so many spin.
  void wait_until_begun(std::size_t count) const {
    while (begun_.load(std::memory_order_relaxed) < count) yield();  // relaxed: a number
  }
  void let_go() noexcept {
    // release: pairs with spin()
    released_.store(true, std::memory_order_release);
  }

 private:
  std::atomic<std::size_t> begun_{0};
  std::atomic<bool> released_{false};
};

class pipe_ends {
 public:
  pipe_ends() { EXPECT_EQ(::pipe(ends_), 0); }
  ~pipe_ends() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  char read() const noexcept {
    char got = 0;
    EXPECT_EQ(::read(ends_[0], &got, 1), 1);
    return got;
  }
  int poll(int timeout) const noexcept {
    pollfd readable{.fd = ends_[0], .events = POLLIN, .revents = 0};
    auto found = ::poll(&readable, 1, timeout);
    if (found == 1) read();
    return found;
  }
  void write(char what) const noexcept { EXPECT_EQ(::write(ends_[1], &what, 1), 1); }

 private:
  int ends_[2];
};

class watched : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(seats, watched, ::testing::Values(std::size_t{1}, std::size_t{2}),
                         [](const auto& each) { return "seats_" + std::to_string(each.param); });

TEST_P(watched, tasks_that_compute_on_every_seat_do_not_keep_others_from_running) {
  run_watched(GetParam(), nullptr, [&] {
    spinner computing;
    scope tasks;
    for (std::size_t i = 0; i < GetParam(); ++i) tasks.spawn([&] { computing.spin(); });
    computing.wait_until_begun(GetParam());
    tasks.spawn([&] { computing.let_go(); });
    tasks.join();
    EXPECT_GE(runtime::current()->statistics().handed_over, 1u);
  });
}

TEST_P(watched, coroutines_that_compute_on_every_seat_do_not_keep_others_from_running) {
  run_watched(GetParam(), nullptr, [&] {
    spinner computing;
    scope tasks;
    for (std::size_t i = 0; i < GetParam(); ++i) {
      tasks.spawn([&]() -> task<> {
        computing.spin();
        co_return;
      });
    }
    computing.wait_until_begun(GetParam());
    tasks.spawn([&]() -> task<> {
      computing.let_go();
      co_return;
    });
    tasks.join();
  });
}

TEST_P(watched, timers_fire_while_every_seat_is_stuck) {
  run_watched(GetParam(), nullptr, [&] {
    spinner computing;
    scope tasks;
    tasks.spawn([&] {
      EXPECT_TRUE(sleep(1ms));
      computing.let_go();
    });
    yield();
    for (std::size_t i = 0; i < GetParam(); ++i) tasks.spawn([&] { computing.spin(); });
  });
}

TEST_P(watched, a_task_that_loses_its_seat_is_told_with_name_and_site) {
  told events;
  pipe_ends pipe;
  std::uint_least32_t line = 0;
  run_watched(GetParam(), &events, [&] {
    scope tasks;
    line = __LINE__ + 1;
    for (std::size_t i = 0; i < GetParam(); ++i) tasks.spawn({.name = "reader"}, [&] { pipe.read(); });
    // An OS thread waits for the event, so that no seat has to.
    auto event = blocking([&] { return events.first("reader"); });
    EXPECT_EQ(event.spawned_at.line(), line);
    EXPECT_TRUE(event.handed_over);
    EXPECT_GE(event.held, 2ms);
    EXPECT_NE(describe(event).find("\"reader\""), std::string::npos) << describe(event);
    for (std::size_t i = 0; i < GetParam(); ++i) pipe.write('x');
  });
}

/// Has `stuck` stop all seats until `let_go`, again where the system ran another thread before it got stuck, until the
/// watchdog says that `reason` did it. Returns how often it said so.
template <class Stuck, class LetGo>
std::uint64_t stalls_told_for(stall_reason reason, std::size_t seats, Stuck stuck, LetGo let_go) {
  std::uint64_t found = 0;
  run_watched(seats, nullptr, [&] {
    auto& home = *runtime::current();
    for (std::uint64_t round = 1; found == 0; ++round) {
      std::uint_least32_t line = __LINE__ + 2;
      scope tasks;
      for (std::size_t i = 0; i < seats; ++i) tasks.spawn([&] { stuck(); });
      std::uint64_t told_of = 0;
      while (told_of < seats * round) {
        yield();
        told_of = 0;
        for (const auto& site : home.stalls()) {
          if (site.spawned_at.line() != line) continue;
          told_of = site.stalls;
          found = site.by_reason[static_cast<std::size_t>(reason)];
        }
      }
      let_go();
    }
  });
  return found;
}

TEST_P(watched, blocking_in_a_system_call_is_told_from_computing) {
  pipe_ends pipe;
  EXPECT_GE(stalls_told_for(
                stall_reason::system_call, GetParam(), [&] { pipe.read(); },
                [&] {
                  for (std::size_t i = 0; i < GetParam(); ++i) pipe.write('x');
                }),
            1u);
}

TEST_P(watched, waiting_for_an_os_lock_is_told_from_other_system_calls) {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t releases = 0;
  EXPECT_GE(stalls_told_for(
                stall_reason::lock, GetParam(),
                [&] {
                  std::unique_lock lock{mutex};
                  changed.wait(lock, [&, before = releases] { return releases != before; });
                },
                [&] {
                  std::lock_guard guard{mutex};
                  ++releases;
                  changed.notify_all();
                }),
            1u);
}

TEST_P(watched, waiting_in_a_page_fault_is_told) {
  if (!testing::page_fault{}.works()) GTEST_SKIP() << "no userfaultfd here";
  std::mutex mutex;
  std::vector<std::unique_ptr<testing::page_fault>> pages;
  EXPECT_GE(stalls_told_for(
                stall_reason::page_fault, GetParam(),
                [&] {
                  auto* page = [&] {
                    std::lock_guard guard{mutex};
                    return pages.emplace_back(std::make_unique<testing::page_fault>()).get();
                  }();
                  page->touch();
                },
                [&] {
                  std::lock_guard guard{mutex};
                  for (auto& each : pages) each->fill();
                }),
            1u);
}

// ---- where a task was

/// Has a task in `stuck()` until an event of it meets `expected`: the system may keep the thread from answering in
/// time, or not have let it run. Each time in a runtime of its own, since one tells of a site once a second.
template <class Prepare, class Stuck, class LetGo, class Expected>
void expect_told(Prepare prepare, Stuck stuck, LetGo let_go, Expected expected) {
  for (bool met = false; !met;) {
    told events;
    prepare();
    run_watched(1, &events, [&] {
      scope tasks;
      tasks.spawn({.name = "stuck"}, [&] { stuck(); });
      met = expected(blocking([&] { return events.first("stuck"); }));
      let_go();
    });
  }
}

/// Whether `trace` has a call in `function`, which is not long.
bool goes_through(const std::vector<const void*>& trace, auto* function) {
  auto from = reinterpret_cast<std::uintptr_t>(function);
  return std::ranges::any_of(trace,
                             [&](const void* each) { return reinterpret_cast<std::uintptr_t>(each) - from < 1024; });
}

[[gnu::noinline]] void spin_here(const std::atomic<bool>& released) {
  // acquire: sees what was done before
  while (!released.load(std::memory_order_acquire)) {}
  asm volatile("");  // no tail call
}

[[gnu::noinline]] char read_here(const pipe_ends& pipe) {
  auto got = pipe.read();
  asm volatile("");  // no tail call
  return got;
}

TEST(watchdog, what_it_tells_carries_the_stack_of_a_task_that_computes) {
  std::atomic<bool> released{false};
  expect_told([&] { released = false; }, [&] { spin_here(released); }, [&] { released = true; },
              [&](const sched::stall& event) {
                return event.trace.size() > 1 && goes_through(event.trace, &spin_here) &&
                       !describe_trace(event).empty();
              });
}

TEST(watchdog, what_it_tells_carries_the_stack_of_a_task_that_reads_and_the_read_goes_on) {
  pipe_ends pipe;
  expect_told([] {}, [&] { EXPECT_EQ(read_here(pipe), 'x'); }, [&] { pipe.write('x'); },
              [&](const sched::stall& event) {
                return event.system_call == "read" && event.trace.size() > 1 && goes_through(event.trace, &read_here);
              });
}

[[gnu::noinline]] int poll_here(const pipe_ends& pipe, int timeout) {
  auto found = pipe.poll(timeout);
  asm volatile("");  // no tail call
  return found;
}

TEST(watchdog, what_it_tells_carries_the_stack_of_a_task_that_polls_and_the_poll_goes_on) {
  if (!base::makes_calls_again) GTEST_SKIP() << "the watchdog leaves such calls alone, here";
  pipe_ends pipe;
  expect_told([] {}, [&] { EXPECT_EQ(poll_here(pipe, -1), 1); }, [&] { pipe.write('x'); },
              [&](const sched::stall& event) {
                return event.system_call == "poll" && event.trace.size() > 1 && goes_through(event.trace, &poll_here);
              });
}

[[gnu::noinline]] bool sleep_here(std::chrono::nanoseconds time) {
  const auto before = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(time);
  const bool slept = std::chrono::steady_clock::now() - before >= time;
  asm volatile("");  // no tail call
  return slept;
}

TEST(watchdog, what_it_tells_carries_the_stack_of_a_task_that_sleeps_and_the_sleep_lasts_as_long) {
  if (!base::makes_calls_again) GTEST_SKIP() << "the watchdog leaves such calls alone, here";
  std::atomic<bool> released{false};
  auto sleep_until_released = [&] {
    // relaxed: what ends the test alone
    while (!released.load(std::memory_order_relaxed)) EXPECT_TRUE(sleep_here(40ms));
  };
  expect_told([&] { released = false; }, sleep_until_released, [&] { released = true; },
              [](const sched::stall& event) {
                return event.system_call == "clock_nanosleep" && event.trace.size() > 1 &&
                       goes_through(event.trace, &sleep_here);
              });
}

TEST(watchdog, it_does_not_interrupt_what_would_fail_or_last_longer) {
  pipe_ends pipe;
  expect_told([] {}, [&] { EXPECT_EQ(poll_here(pipe, 3'600'000), 1); }, [&] { pipe.write('x'); },
              [&](const sched::stall& event) {
                if (event.system_call != "poll") return false;
                EXPECT_EQ(event.trace.size(), 1u) << "the system call alone is known";
                return true;
              });
}

TEST(watchdog, what_it_tells_names_the_lock) {
  std::atomic<int> word{0};  // of the size that the system's locks have
  // relaxed: nothing else is published
  expect_told([&] { word.store(0, std::memory_order_relaxed); }, [&] { word.wait(0, std::memory_order_relaxed); },
              [&] {
                word.store(1, std::memory_order_relaxed);
                word.notify_all();
              },
              [&](const sched::stall& event) {
                return event.reason == stall_reason::lock && event.lock == static_cast<const void*>(&word);
              });
}

TEST_P(watched, a_task_that_lost_its_seat_goes_on_as_any_other) {
  run_watched(GetParam(), nullptr, [&] {
    spinner computing;
    int children = 0;
    scope tasks;
    for (std::size_t i = 0; i < GetParam(); ++i) {
      tasks.spawn([&, i] {
        computing.spin();
        EXPECT_NE(runtime::current(), nullptr);
        if (i != 0) return;
        auto child = spawn([&] { ++children; });
        child.join();
        EXPECT_TRUE(sleep(100us));
        yield();
        EXPECT_EQ(blocking([] { return 7; }), 7);
        deadline_scope limit{1ms};
        EXPECT_EQ(sleep(1h).error(), errc::timed_out);
      });
    }
    tasks.spawn([&] { computing.let_go(); });
    tasks.join();
    EXPECT_EQ(children, 1);
  });
}

TEST_P(watched, what_it_throws_reaches_who_joins) {
  run_watched(GetParam(), nullptr, [&] {
    spinner computing;
    std::vector<join_handle<void>> stuck;
    for (std::size_t i = 0; i < GetParam(); ++i) {
      stuck.push_back(spawn([&] {
        computing.spin();
        throw std::string{"too long"};
      }));
    }
    auto other = spawn([&] { computing.let_go(); });
    other.join();
    for (auto& each : stuck) EXPECT_THROW(each.join(), std::string);
  });
}

TEST(watchdog, a_task_known_to_compute_runs_without_a_seat_from_the_start_and_later_on_it_again) {
  run_watched(1, nullptr, [&] {
    auto& home = *runtime::current();
    std::uint_least32_t line = 0;
    auto stalls = [&] {
      std::uint64_t of_worker = 0;
      for (const auto& site : home.stalls()) {
        if (site.spawned_at.line() == line) of_worker = site.stalls;
      }
      return of_worker;
    };
    line = __LINE__ + 1;
    auto worker = spawn([&] {
      // Short runs, after which it is on the seat, then one that is too long.
      auto compute_until_stalled = [&] {
        auto last = stalls();
        for (int i = 0; i < 10; ++i) EXPECT_TRUE(sleep(10us));
        auto until = std::chrono::steady_clock::now() + 20ms;
        while (stalls() == last && std::chrono::steady_clock::now() < until) {}
      };
      // Again where it was not marked, since the system ran others, for which a task is not to blame.
      auto before = stalls();
      do {
        compute_until_stalled();
        yield();  // parks: from here on it runs without a seat
        before = stalls();
        // The only seat is free: the other task runs while this one computes, and no seat is taken from it.
        spinner computing;
        auto other = spawn([&] { computing.let_go(); });
        computing.spin();
        other.join();
      } while (stalls() != before);
      // Later it is back on the seat, where computing takes the seat from it again.
      while (stalls() == before) compute_until_stalled();
    });
    worker.join();
  });
}

TEST(watchdog, without_it_a_task_that_computes_stops_its_seat) {
  runtime_options options{.seats = 1};
  options.watchdog = {.enabled = false, .slice = 1ms};
  runtime home{std::move(options)};
  run_in(home, {.name = "main"}, [] {
    std::atomic<bool> ran{false};
    auto other = spawn([&] { ran = true; });
    auto until = std::chrono::steady_clock::now() + 30ms;
    while (std::chrono::steady_clock::now() < until) {}
    EXPECT_FALSE(ran.load());
    other.join();
    EXPECT_EQ(runtime::current()->statistics().handed_over, 0u);
    EXPECT_TRUE(runtime::current()->stalls().empty());
  });
}

// Seats change hands all the time while tasks park, wake, sleep, end and steal.
TEST_P(watched, nothing_is_lost_when_tasks_of_every_length_run_on_few_seats) {
  auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  constexpr int tasks_of_each_kind = 40, rounds = 30;
  std::atomic<int> done{0};
  auto compute_for = [](duration time) {
    auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until) {}
  };
  auto random_burst = [](base::random& random) {
    return random.below(20) == 0 ? duration{random.below(4'000'000)} : duration{random.below(20'000)};
  };
  run_watched(GetParam(), nullptr, [&] {
    scope tasks;
    for (int i = 0; i < tasks_of_each_kind; ++i) {
      tasks.spawn([&, i] {
        base::random random{seed + static_cast<std::uint64_t>(i)};
        for (int round = 0; round < rounds; ++round) {
          compute_for(random_burst(random));
          switch (random.below(4)) {
            case 0: yield(); break;
            case 1: EXPECT_TRUE(sleep(duration{random.below(200'000)})); break;
            case 2: spawn([&] { compute_for(random_burst(random)); }).join(); break;
            case 3: blocking([] {}); break;
          }
          ++done;
        }
      });
      tasks.spawn([&, i]() -> task<> {
        base::random random{seed + static_cast<std::uint64_t>(1000 + i)};
        for (int round = 0; round < rounds; ++round) {
          compute_for(random_burst(random));
          switch (random.below(3)) {
            case 0: co_await async_yield(); break;
            case 1: EXPECT_TRUE(co_await async_sleep(duration{random.below(200'000)})); break;
            case 2: co_await async_blocking([] {}); break;
          }
          ++done;
        }
      });
    }
  });
  EXPECT_EQ(done, 2 * tasks_of_each_kind * rounds);
}

}  // namespace
}  // namespace weft
