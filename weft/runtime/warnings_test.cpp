#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <weft/combine/shield.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/event.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>

#include "weft/task/detail/os_threads.hpp"

// What a runtime reports without being asked for.

namespace weft {
namespace {

using namespace std::chrono_literals;

/// The lines that a runtime reported.
class report_log {
 public:
  [[nodiscard]] report_function sink() {
    return [this](std::string_view line) {
      std::lock_guard guard{mutex_};
      lines_.emplace_back(line);
    };
  }
  [[nodiscard]] std::size_t count(std::string_view part) const {
    std::lock_guard guard{mutex_};
    return static_cast<std::size_t>(
        std::ranges::count_if(lines_, [&](const std::string& line) { return line.contains(part); }));
  }
  [[nodiscard]] std::string all() const {
    std::lock_guard guard{mutex_};
    std::string text;
    for (const auto& line : lines_) text += line + '\n';
    return text;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

constexpr std::string_view long_run = "has run for ", cancelled = "has waited for more than ",
                           asleep = "everything sleeps: ";

TEST(warnings, name_a_task_that_computes_for_long_each_time_that_it_does) {
  report_log log;
  weft::run({.seats = 1, .warnings = {.stalled_over = 20ms}, .report = log.sink()}, [&] {
    spawn({.name = "dreamer"}, [&] {
      for (std::size_t run = 1; run <= 2; ++run) {  // the second one without a seat from its beginning
        while (log.count(long_run) < run) {}
        yield();
      }
    }).join();
  });
  EXPECT_EQ(log.count("a task \"dreamer\", spawned at"), 2u) << log.all();
  EXPECT_EQ(log.count("warnings_test.cpp"), 2u) << log.all();
  EXPECT_EQ(log.count("It computes: call compute()"), 2u) << log.all();
}

TEST(warnings, name_a_task_that_blocks_in_the_kernel_for_long) {
  report_log log;
  const int never_ready = ::eventfd(0, EFD_CLOEXEC);
  weft::run({.seats = 1, .warnings = {.stalled_over = 20ms}, .report = log.sink()}, [&] {
    spawn([&] {
      while (log.count(long_run) == 0) {
        pollfd wanted{.fd = never_ready, .events = POLLIN, .revents = 0};
        ::poll(&wanted, 1, 1000);
      }
    }).join();
  });
  ::close(never_ready);
  EXPECT_EQ(log.count("It blocks in poll: call blocking()"), 1u) << log.all();
}

TEST(warnings, take_times_in_any_unit) {
  constexpr warning_options never{.stalled_over = std::chrono::hours::max(),
                                  .cancelled_over = std::chrono::years{9999}};
  static_assert(never.stalled_over.value() == duration::max() && never.cancelled_over.value() == duration::max());
  static_assert(warning_options{.stalled_over = std::chrono::duration<double>{0.5}}.stalled_over == time_span{500ms});
}

TEST(warnings, count_an_os_thread_as_asleep_until_it_is_woken_not_until_it_runs) {
  event wakes;
  std::thread waiting{[&] { EXPECT_TRUE(wakes.wait()); }};
  while (detail::os_threads_asleep() == 0) std::this_thread::yield();
  wakes.set();
  EXPECT_EQ(detail::os_threads_asleep(), 0u);
  waiting.join();
}

TEST(warnings, can_be_switched_off) {
  report_log log;
  weft::run({.seats = 1, .warnings = warning_options::none(), .report = log.sink()}, [&] {
    spawn([&] {
      for (auto until = std::chrono::steady_clock::now() + 1200ms; std::chrono::steady_clock::now() < until;) {}
    }).join();
  });
  EXPECT_EQ(log.all(), "");
}

TEST(warnings, name_what_a_scope_waits_for_after_a_cancel) {
  virtual_clock clock;
  report_log log;
  weft::run({.seats = 1, .report = log.sink()}, [&] {
    scope tasks;
    tasks.spawn({.name = "deaf"}, [] { static_cast<void>(await(shield(async_sleep(1h)))); });
    tasks.cancel();
  });
  EXPECT_EQ(log.count("a scope has waited for more than 5.0 s for a task that was cancelled and goes on: the task "
                      "\"deaf\", spawned at "),
            1u)
      << log.all();
}

TEST(warnings, come_too_where_another_task_cancels_the_scope_that_is_joined) {
  virtual_clock clock;
  report_log log;
  weft::run({.seats = 1, .report = log.sink()}, [&] {
    scope tasks;
    for (int i = 0; i < 3; ++i) tasks.spawn([] { static_cast<void>(await(shield(async_sleep(1h)))); });
    auto other = spawn([&] {
      EXPECT_TRUE(sleep(1s));
      tasks.cancel();
    });
    tasks.join();
    other.join();
  });
  EXPECT_EQ(log.count("for 3 tasks that were cancelled and go on, such as the task "), 1u) << log.all();
}

TEST(warnings, name_the_task_of_a_handle_that_was_dropped) {
  virtual_clock clock;
  report_log log;
  weft::run({.seats = 1, .report = log.sink()},
            [&] { static_cast<void>(spawn([] { static_cast<void>(await(shield(async_sleep(1h)))); })); });
  EXPECT_EQ(log.count("a join_handle that was dropped has waited for more than 5.0 s"), 1u) << log.all();
}

TEST(warnings, do_not_come_where_what_was_cancelled_ends) {
  virtual_clock clock;
  report_log log;
  weft::run({.seats = 1, .report = log.sink()}, [&] {
    scope tasks;
    tasks.spawn([] { static_cast<void>(sleep(1h)); });
    tasks.spawn([] { static_cast<void>(await(shield(async_sleep(4s)))); });
    tasks.cancel();
  });
  EXPECT_EQ(log.count(cancelled), 0u) << log.all();
}

TEST(warnings, say_once_a_second_how_many_scopes_wait) {
  virtual_clock clock;
  report_log log;
  weft::run({.seats = 1, .report = log.sink()}, [&] {
    scope all;
    for (int i = 0; i < 10; ++i) {
      all.spawn([] {
        scope tasks;
        tasks.spawn([] { static_cast<void>(await(shield(async_sleep(1h)))); });
        tasks.cancel();
      });
    }
  });
  EXPECT_EQ(log.count("a scope has waited"), 1u) << log.all();
}

/// Runs `main` with tasks that are not tracked.
template <class F>
void run_untracked(report_function report, F main) {
  weft::run({.seats = 2, .tracking = {.tasks = tracking::off}, .report = std::move(report)}, std::move(main));
}

TEST(warnings, say_that_everything_sleeps) {
  event wake;
  std::atomic<int> told{0};
  run_untracked(
      [&](std::string_view line) {
        if (!line.starts_with(asleep)) return;
        ++told;
        wake.set();
      },
      [&] {
        channel<int> nobody_sends{0};
        auto waits = spawn([&] { return nobody_sends.recv().has_value(); });
        EXPECT_TRUE(wake.wait());
        nobody_sends.close();
        EXPECT_FALSE(waits.join());
      });
  EXPECT_EQ(told, 1);
}

TEST(warnings, do_not_say_so_while_a_timer_input_or_another_thread_may_wake_a_task) {
  report_log log;
  run_untracked(log.sink(), [&] { EXPECT_TRUE(sleep(400ms)); });
  event wake;
  run_untracked(log.sink(), [&] {
    std::thread other{[&] {
      std::this_thread::sleep_for(400ms);
      wake.set();
    }};
    EXPECT_TRUE(wake.wait());
    other.join();
  });
  run_untracked(log.sink(), [&] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto client = spawn([&] {
      blocking([] { std::this_thread::sleep_for(400ms); });
      return tcp_stream::connect(listener.local()).has_value();
    });
    EXPECT_TRUE(listener.accept());
    EXPECT_TRUE(client.join());
  });
  EXPECT_EQ(log.all(), "");
}

TEST(run, names_the_place_that_called_it_as_the_spawn_site_of_main) {
  const int line = __LINE__ + 1;
  weft::run({.tracking = {.tasks = tracking::on}}, [&] {
    bool found = false;
    for (const auto& task : runtime::current()->tasks()) {
      if (task.name != "main") continue;
      found = true;
      EXPECT_TRUE(std::string_view{task.spawned_at.file_name()}.ends_with("warnings_test.cpp"));
      EXPECT_EQ(task.spawned_at.line(), line);
    }
    EXPECT_TRUE(found);
  });
}

}  // namespace
}  // namespace weft
