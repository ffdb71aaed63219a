#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <functional>
#include <limits>
#include <mutex>
#include <semaphore>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/compute/available_parallelism.hpp>
#include <weft/compute/compute.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/task.hpp>

#include "tests/support/task_fixture.hpp"

namespace weft {
namespace {

using namespace std::chrono_literals;

class life_cycle : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(life_cycle);

/// Tasks of both kinds that nobody joins, and how many of them have ended.
class detached_tasks {
 public:
  /// Parks at once, in `wait`, and ends when that has failed.
  template <class F>
  void park_in(F wait) {
    auto handle = spawn([this, wait] {
      ++begun_;
      wait();
      ++ended_;
    });
    testing::run_until_parked(handle);
    handle.detach();
  }
  /// The same as a coroutine.
  template <class F>
  void park_coroutine_in(F operation_of) {
    auto handle = spawn([this, operation_of]() -> task<> {
      ++begun_;
      static_cast<void>(co_await operation_of());
      ++ended_;
    });
    testing::run_until_parked(handle);
    handle.detach();
  }
  /// Never begins before the runtime shuts down, if that is all the caller does with its only seat.
  template <class F>
  void start(F body) {
    spawn([this, body] {
      ++begun_;
      body();
      ++ended_;
    }).detach();
  }

  [[nodiscard]] int begun() const { return begun_; }
  [[nodiscard]] int ended() const { return ended_; }

 private:
  std::atomic<int> begun_{0}, ended_{0};
};

TEST_P(life_cycle, a_runtime_ends_while_tasks_wait_for_every_kind_of_thing) {
  detached_tasks tasks;
  channel<int> empty{1}, full{0};
  mutex held, other;
  semaphore none{0};
  latch never{1};
  event unset;
  condition_variable unnotified;
  run([&] {
    spawn([&] {
      std::scoped_lock lock{held};
      EXPECT_EQ(unset.wait().error(), errc::cancelled);
    }).detach();
    while (held.try_lock()) {  // until it has begun
      held.unlock();
      yield();
    }
    // The virtual clock may get there first: nothing else is left to do.
    tasks.park_in([&] { static_cast<void>(sleep(10'000h)); });
    tasks.park_in([&] { EXPECT_EQ(empty.recv().error(), errc::cancelled); });
    tasks.park_in([&] { EXPECT_EQ(full.send(1).error().reason, errc::cancelled); });
    tasks.park_in([&] { std::scoped_lock lock{held}; });  // cannot be cancelled: gets it from who can
    tasks.park_in([&] {
      if (await(held.async_lock())) held.unlock();  // the turn may come before the cancel
    });
    tasks.park_in([&] { EXPECT_EQ(none.acquire().error(), errc::cancelled); });
    tasks.park_in([&] { EXPECT_EQ(never.wait().error(), errc::cancelled); });
    tasks.park_in([&] { EXPECT_EQ(unset.wait().error(), errc::cancelled); });
    tasks.park_in([&] {
      std::unique_lock lock{other};
      EXPECT_EQ(unnotified.wait(lock).error(), errc::cancelled);
    });
    tasks.park_in([&] { EXPECT_EQ(select(empty.async_recv(), none.async_acquire()).error(), errc::cancelled); });
    tasks.park_in([&] {
      auto child = spawn([&] { return empty.recv(); });
      EXPECT_EQ(await(child.async_wait()).error(), errc::cancelled);
    });
    tasks.park_in([&] {
      scope children;
      children.spawn([&] { EXPECT_EQ(empty.recv().error(), errc::cancelled); });
      children.join();
    });
    tasks.park_coroutine_in([&] { return async_sleep(10'000h); });
    tasks.park_coroutine_in([&] { return empty.async_recv(); });
    tasks.park_coroutine_in([&] { return none.async_acquire(); });
    EXPECT_EQ(tasks.begun(), 15);
  });
  EXPECT_EQ(tasks.ended(), 15);
}

TEST_P(life_cycle, a_runtime_ends_while_tasks_run_or_are_ready_or_have_never_run) {
  detached_tasks tasks;
  std::atomic<bool> all_are_there{false};
  run([&] {
    tasks.start([] {
      while (!cancelled()) yield();
    });
    tasks.start([&] {
      // From then on it has its seat to itself, maybe the only one.
      while (!all_are_there) yield();
      while (!cancelled()) {}
    });
    for (int i = 0; i < 1000; ++i) tasks.start([] { static_cast<void>(sleep(10'000h)); });
    all_are_there = true;
  });
  EXPECT_EQ(tasks.ended(), 1002);
}

TEST_P(life_cycle, a_runtime_ends_while_tasks_compute_and_block_elsewhere) {
  detached_tasks tasks;
  std::binary_semaphore computing{0}, blocked{0};
  channel<int> never{0};
  std::atomic<bool> enough{false};
  run([&] {
    tasks.start([&] {
      compute([&] {
        computing.release();
        while (!enough) {}
      });
    });
    tasks.park_in([&] {
      blocking([&] {
        blocked.acquire();
        enough = true;
      });
    });
    computing.acquire();  // it does
    tasks.park_in([&] {
      EXPECT_EQ(never.recv().error(), errc::cancelled);
      blocked.release();
    });
  });
  EXPECT_EQ(tasks.ended(), 3);
}

TEST_P(life_cycle, a_runtime_ends_while_a_task_runs_without_a_seat) {
  detached_tasks tasks;
  std::atomic<bool> told{false};
  {
    // Real time: a virtual clock never sees a task that does not park.
    runtime home{{.seats = GetParam(), .watchdog = {.slice = 1ms, .on_stall = [&](const auto& event) {
                                                      if (event.handed_over) told = true;
                                                    }}}};
    run_in(home, {}, [&] {
      for (std::size_t i = 0; i <= GetParam(); ++i) {
        tasks.start([] {
          while (!cancelled()) {}
        });
      }
      while (!told) yield();
    });
    home.shut_down();
    EXPECT_EQ(home.stacks().stats().in_use, 0u);
  }
  EXPECT_EQ(tasks.ended(), static_cast<int>(GetParam()) + 1);
}

TEST_P(life_cycle, a_task_detached_while_the_runtime_ends_is_cancelled_as_well) {
  bool ended = false;
  channel<int> never{0};
  run([&] {
    spawn([&] {
      EXPECT_EQ(never.recv().error(), errc::cancelled);
      spawn([&] {
        EXPECT_EQ(never.recv().error(), errc::cancelled);
        ended = true;
      }).detach();
    }).detach();
  });
  EXPECT_TRUE(ended);
}

/// What a runtime reported.
class reports {
 public:
  [[nodiscard]] report_function listener() {
    return [this](std::string_view line) {
      std::lock_guard guard{mutex_};
      lines_.emplace_back(line);
      if (lines_.size() == awaited_) then_();
    };
  }
  /// Calls `f` at the `count`th report.
  void at(std::size_t count, std::function<void()> f) {
    awaited_ = count;
    then_ = std::move(f);
  }
  [[nodiscard]] std::vector<std::string> lines() {
    std::lock_guard guard{mutex_};
    return lines_;
  }
  [[nodiscard]] bool has(std::string_view first, std::string_view second) {
    return std::ranges::any_of(lines(),
                               [&](const auto& line) { return line.contains(first) && line.contains(second); });
  }

 private:
  std::mutex mutex_;  // guards lines_
  std::vector<std::string> lines_;
  std::size_t awaited_ = 0;
  std::function<void()> then_;
};

/// "life_cycle_test.cpp:123"
std::string line_of(std::source_location here) { return "life_cycle_test.cpp:" + std::to_string(here.line()); }

TEST_P(life_cycle, tasks_that_do_not_end_are_named_with_what_they_wait_for_and_waited_for_all_the_same) {
  reports told;
  event let_go;
  std::atomic<bool> enough{false};
  auto here = std::source_location::current();
  {
    virtual_clock clock;
    runtime home{{.seats = GetParam(), .shutdown_report_after = 0s, .report = told.listener()}};
    told.at(2, [&] {
      enough = true;
      let_go.set();
    });
    run_in(home, {}, [&] {
      auto stubborn = spawn(
          {.name = "stubborn"},
          [&] {
            cancellation_shield not_now;
            EXPECT_TRUE(let_go.wait());
          },
          here);
      testing::run_until_parked(stubborn);
      stubborn.detach();
      auto compute_for_ever = [&] {
        while (!enough) {}
      };
      spawn(compute_for_ever, here).detach();
    });
    home.shut_down();
    EXPECT_EQ(home.stacks().stats().in_use, 0u);
  }
  EXPECT_EQ(told.lines().size(), 2u);
  EXPECT_TRUE(told.has("task \"stubborn\", spawned at", "waits (lock)"));
  EXPECT_TRUE(told.has("task spawned at", "runs"));
  EXPECT_TRUE(told.has(line_of(here), ""));
}

TEST_P(life_cycle, of_very_many_tasks_that_do_not_end_some_are_named_and_all_are_counted) {
  reports told;
  event let_go;
  {
    virtual_clock clock;
    runtime home{{.seats = GetParam(), .shutdown_report_after = 0s, .report = told.listener()}};
    told.at(33, [&] { let_go.set(); });
    run_in(home, {}, [&] {
      for (int i = 0; i < 1000; ++i) {
        spawn([&]() -> task<> {
          cancellation_shield not_now;
          EXPECT_TRUE(co_await let_go.async_wait());
        }).detach();
      }
    });
  }
  ASSERT_EQ(told.lines().size(), 33u);
  EXPECT_TRUE(told.lines().back().contains("968 more tasks")) << told.lines().back();
}

TEST_P(life_cycle, tasks_that_end_in_time_are_not_reported) {
  reports told;
  {
    virtual_clock clock;
    runtime home{{.seats = GetParam(), .shutdown_report_after = 1h, .report = told.listener()}};
    channel<int> never{0};
    run_in(home, {}, [&] { spawn([&] { return never.recv(); }).detach(); });
    home.shut_down();
  }
  EXPECT_TRUE(told.lines().empty());
}

TEST_P(life_cycle, a_coroutine_that_waits_in_a_blocking_form_gets_what_it_waits_for_and_is_reported_once_a_site) {
  reports told;
  auto here = std::source_location::current();
  {
    virtual_clock clock;
    runtime home{{.seats = GetParam(), .report = told.listener()}};
    run_in(home, {}, [&] {
      EXPECT_TRUE(runtime::current()->blocking_waits_in_coroutines().empty());
      channel<int> values{1};
      for (int i = 0; i < 3; ++i) {
        std::thread outside;
        auto receive = [&]() -> task<int> {
          auto& state = detail::current_stack();  // the OS thread's, which will wait
          outside = std::thread{[&] {
            while (!state.is_parked()) std::this_thread::yield();
            EXPECT_TRUE(values.send(7));
          }};
          co_return values.recv().value();
        };
        EXPECT_EQ(spawn({.name = "impatient"}, receive, here).join(), 7);
        outside.join();
      }
      auto count = [] { return 1; };
      auto call_blocking = [&]() -> task<int> { co_return blocking(count); };
      EXPECT_EQ(spawn(call_blocking, here).join(), 1);
      auto sites = runtime::current()->blocking_waits_in_coroutines();
      ASSERT_EQ(sites.size(), 1u);
      EXPECT_EQ(sites.front().waits, 4u);
      EXPECT_EQ(sites.front().spawned_at.line(), here.line());
    });
  }
  ASSERT_EQ(told.lines().size(), 1u);
  EXPECT_TRUE(told.has("the task \"impatient\", spawned at", line_of(here))) << told.lines().front();
  EXPECT_TRUE(told.has("waits (channel)", "co_await")) << told.lines().front();
}

TEST_P(life_cycle, a_virtual_thread_and_an_os_thread_may_wait_in_the_blocking_form) {
  reports told;
  {
    runtime home{{.seats = GetParam(), .report = told.listener()}};
    run_in(home, {}, [&] {
      EXPECT_TRUE(sleep(1us));
      blocking([] { EXPECT_TRUE(sleep(1us)); });
      await([]() -> task<> { EXPECT_TRUE(co_await async_sleep(1us)); }());
      EXPECT_TRUE(runtime::current()->blocking_waits_in_coroutines().empty());
    });
  }
  EXPECT_TRUE(told.lines().empty());
}

TEST_P(life_cycle, what_a_task_threw_is_lost_with_its_handle) {
  run([] {
    {
      auto dropped = spawn([] { throw std::runtime_error{"nobody will know"}; });
    }
    auto ended = spawn([]() -> task<> {
      co_await async_yield();
      throw 1;
    });
    while (!ended.has_ended()) yield();
  });
}

class uncaught : public life_cycle {
 protected:
  void SetUp() override { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(uncaught);

TEST_P(uncaught, exceptions_of_detached_tasks_end_the_program_with_a_message_that_names_the_task) {
  constexpr auto message =
      "an exception left the task \"worker\", spawned at .*life_cycle_test.cpp:[0-9]+, which was "
      "detached: out of luck";
  EXPECT_DEATH(run([] {
                 spawn({.name = "worker"}, [] {
                   yield();
                   throw std::runtime_error{"out of luck"};
                 }).detach();
               }),
               message);
  EXPECT_DEATH(run([] {
                 spawn({.name = "worker"}, []() -> task<> {
                   co_await async_yield();
                   throw std::runtime_error{"out of luck"};
                 }).detach();
               }),
               message);
}

TEST_P(uncaught, exceptions_of_tasks_that_are_detached_after_their_end_do_so_too) {
  EXPECT_DEATH(run([] {
                 auto ended = spawn([] { throw 1; });
                 while (!ended.has_ended()) yield();
                 ended.detach();
               }),
               "an exception left the task spawned at .*, which was detached: not a std::exception");
}

TEST_P(uncaught, exceptions_are_known_to_the_handler_of_terminate) {
  EXPECT_EXIT(run([] {
                std::set_terminate([] {
                  try {
                    std::rethrow_exception(std::current_exception());
                  } catch (int thrown) {
                    std::_Exit(thrown);
                  }
                });
                spawn([] { throw 3; }).detach();
              }),
              ::testing::ExitedWithCode(3), "");
}

TEST(options, out_of_range_are_refused_with_the_range) {
  auto refusal = [](runtime_options options) -> std::string {
    try {
      runtime home{std::move(options)};
      return "none";
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refusal({.seats = 1'000'000}), "weft: 1000000 seats were asked for: at most 1024, or 0 for the default");
  EXPECT_NE(refusal({.seats = std::numeric_limits<std::size_t>::max()}), "none");
  EXPECT_NE(refusal({.compute_carriers = 4097}), "none");
  EXPECT_NE(refusal({.blocking_threads = 4097}), "none");
}

TEST(options, of_zero_are_the_defaults) {
  runtime home{{.seats = 0, .compute_carriers = 0, .blocking_threads = 0}};
  EXPECT_EQ(home.seat_count(), sched::available_cores());
  EXPECT_EQ(home.compute_pool().most_carriers(), available_parallelism());
  EXPECT_EQ(home.blocking_pool().most_threads(), 256u);
}

TEST(options, of_any_stack_size_work_or_fail_in_spawn) {
  for (std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{1} << 20}) {
    runtime home{{.stack_bytes = bytes}};
    EXPECT_EQ(run_in(home, {}, [] { return spawn([] { return 7; }).join(); }), 7);
  }
  runtime home{{.stack_bytes = std::numeric_limits<std::size_t>::max()}};
  EXPECT_THROW(run_in(home, {}, [] {}), std::system_error);
  EXPECT_EQ(run_in(home, {.name = "small", .stack_bytes = 65'536}, [] { return 7; }), 7);
}

TEST(runtimes, of_two_os_threads_live_side_by_side_and_their_tasks_talk) {
  channel<int> there{0}, back{0};
  std::thread one{[&] {
    runtime home{{.seats = 1}};
    run_in(home, {}, [&] {
      for (int value : there) EXPECT_TRUE(back.send(value + 1));
    });
  }};
  runtime home{{.seats = 2}};
  run_in(home, {}, [&] {
    EXPECT_EQ(runtime::current(), &home);
    for (int i = 0; i < 1000; ++i) {
      EXPECT_TRUE(there.send(i));
      EXPECT_EQ(back.recv(), i + 1);
    }
    there.close();
    // A task of one runtime may run another's, on a thread that may block.
    EXPECT_EQ(blocking([] {
                runtime inner{{.seats = 1}};
                return run_in(inner, {}, [] { return 5; });
              }),
              5);
  });
  one.join();
}

TEST(runtimes, start_and_stop_again_and_again) {
  for (std::size_t i = 0; i < 300; ++i) {
    runtime home{{.seats = 1 + i % 3}};
    if (i % 2 != 0) continue;  // stopped before it ran anything
    EXPECT_EQ(run_in(home, {}, [] { return 3; }), 3);
  }
}

}  // namespace
}  // namespace weft
