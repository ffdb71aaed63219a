#include "tests/support/task_fixture.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <weft/combine/shield.hpp>
#include <weft/inspect/deadlock.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;

// In real time, since its thread looks: each waits until it has been told, however long that takes.

struct told {
  std::mutex mutex;
  std::vector<deadlock> all;
  std::counting_semaphore<> more{0};

  tracking_options options(deadlock_action then) {
    return {.tasks = tracking::on, .look_every = 1ms, .then = then, .on_deadlock = [this](const deadlock& found) {
              {
                std::lock_guard guard{mutex};
                all.push_back(found);
              }
              more.release();
            }};
  }
};

TEST(deadlocks, are_told_while_they_happen_and_other_tasks_run) {
  told heard;
  runtime home{{.seats = 2, .tracking = heard.options(deadlock_action::report)}};
  run_in(home, {.name = "main"}, [&] {
    mutex left, right;
    event both;
    auto cross = [&both](mutex& first, mutex& second) {
      std::scoped_lock held{first};
      EXPECT_TRUE(both.wait());
      if (await(second.async_lock())) second.unlock();
    };
    auto one = spawn([&] { cross(left, right); });
    auto two = spawn([&] { cross(right, left); });
    run_until_parked(one);
    run_until_parked(two);
    std::atomic<bool> done{false};
    auto busy = spawn([&] {
      while (!done) yield();
    });
    both.set();
    while (!heard.more.try_acquire()) EXPECT_TRUE(sleep(1ms));
    done = true;
    one.cancel();
    busy.join();
    one.join();
    two.join();
  });
  ASSERT_EQ(heard.all.size(), 1u);
  EXPECT_EQ(heard.all[0].tasks.size(), 2u);
}

TEST(deadlocks, of_everything_are_told_and_can_be_ended) {
  told heard;
  runtime home{{.seats = 2, .tracking = heard.options(deadlock_action::fail_waits)}};
  auto outcome = run_in(home, {.name = "main"}, [&] {
    channel<int> numbers{0};
    auto receiver =
        spawn({.name = "receiver"}, [&]() -> task<result<int>> { co_return co_await numbers.async_recv(); });
    return receiver.join();
  });
  EXPECT_EQ(outcome.error(), errc::deadlock);
  ASSERT_EQ(heard.all.size(), 1u);
  EXPECT_TRUE(heard.all[0].everything_sleeps);
  auto names = std::vector<std::string>{};
  for (auto& each : heard.all[0].tasks) names.push_back(each.name);
  EXPECT_TRUE(std::ranges::find(names, "receiver") != names.end());
  EXPECT_TRUE(std::ranges::find(names, "main") != names.end());
}

TEST(deadlocks, are_not_suspected_where_an_os_thread_may_still_do_something) {
  told heard;
  runtime home{{.seats = 1, .tracking = heard.options(deadlock_action::report)}};
  channel<int> numbers{0};
  std::binary_semaphore go{0};
  std::thread outside{[&] {
    go.acquire();
    EXPECT_TRUE(numbers.send(1));
  }};
  run_in(home, {}, [&] {
    auto receiver = spawn([&] { return numbers.recv(); });
    run_until_parked(receiver);
    // Long enough for many looks; that a look comes later would not make the test fail.
    EXPECT_TRUE(sleep(20ms));
    auto releaser = spawn([&] { go.release(); });
    EXPECT_EQ(receiver.join(), 1);
  });
  outside.join();
  EXPECT_TRUE(heard.all.empty());
}

TEST(deadlocks, are_not_found_where_there_are_none_while_tasks_of_both_kinds_lock_send_and_join) {
  told heard;
  runtime home{{.seats = 3, .tracking = heard.options(deadlock_action::report)}};
  run_in(home, {.name = "main"}, [&] {
    constexpr int workers = 12, rounds = 300;
    std::array<mutex, 4> guards;
    channel<int> numbers{2};
    std::atomic<int> left{workers};
    scope all;
    for (int i = 0; i < workers; ++i) {
      all.spawn({.name = "worker"}, [&, i] {
        for (int round = 0; round < rounds; ++round) {
          std::scoped_lock lower{guards[static_cast<std::size_t>((i + round) % 2)]};
          std::scoped_lock higher{guards[static_cast<std::size_t>(2 + round % 2)]};
          scope inner;
          inner.spawn([&]() -> task<> { static_cast<void>(co_await numbers.async_send(round)); });
          yield();
        }
        left.fetch_sub(1, std::memory_order_relaxed);  // relaxed: a number
      });
    }
    auto drain = spawn([&]() -> task<int> {
      int received = 0;
      while (co_await numbers.async_recv()) ++received;
      co_return received;
    });
    do {
      EXPECT_TRUE(home.find_deadlocks().empty());
      EXPECT_FALSE(home.dump_tasks().empty());
      yield();
    } while (left.load(std::memory_order_relaxed) != 0);  // relaxed: as above
    all.join();
    numbers.close();
    EXPECT_EQ(drain.join(), workers * rounds);
  });
  EXPECT_TRUE(heard.all.empty());
}

TEST(deadlocks, go_line_by_line_to_the_runtimes_reports_when_nobody_else_asks) {
  std::mutex mutex;
  std::vector<std::string> lines;
  std::counting_semaphore<> more{0};
  runtime home{{.seats = 1,
                .report =
                    [&](std::string_view line) {
                      std::lock_guard guard{mutex};
                      lines.emplace_back(line);
                      more.release();
                    },
                .tracking = {.tasks = tracking::on, .look_every = 1ms, .then = deadlock_action::fail_waits}}};
  run_in(home, {}, [] {
    weft::mutex guard;
    guard.lock();
    EXPECT_EQ(await(guard.async_lock()).error(), errc::deadlock);
    guard.unlock();
  });
  more.acquire();
  std::lock_guard guard{mutex};
  EXPECT_EQ(lines.at(0), "deadlock: a task waits for itself:");
  EXPECT_NE(lines.at(1).find("for the mutex 0x"), std::string::npos) << lines.at(1);
}

// Not the way to lock two forks, and with the detector's help it goes on all the same.
TEST(deadlocks, of_philosophers_that_lock_are_ended_by_an_exception_for_one_of_them_and_all_eat) {
  told heard;
  runtime home{{.seats = 2, .tracking = heard.options(deadlock_action::fail_waits)}};
  constexpr std::size_t philosophers = 5, meals = 20;
  std::atomic<int> refused{0};
  run_in(home, {.name = "main"}, [&] {
    std::array<mutex, philosophers> forks;
    latch all_have_one{philosophers};
    scope table;
    for (std::size_t i = 0; i < philosophers; ++i) {
      table.spawn([&, i] {
        for (std::size_t eaten = 0; eaten < meals;) {
          std::scoped_lock left{forks[i]};
          if (eaten == 0 && refused == 0) static_cast<void>(all_have_one.arrive_and_wait());
          try {
            std::scoped_lock right{forks[(i + 1) % philosophers]};
            ++eaten;
          } catch (const deadlock_error& error) {
            EXPECT_EQ(error.code(), errc::deadlock);
            ++refused;
          }
        }
      });
    }
    table.join();
  });
  EXPECT_GE(refused, 1);
  EXPECT_EQ(static_cast<std::size_t>(refused), heard.all.size()) << "one wait of each circle was ended";
}

TEST(deadlocks, of_tasks_that_join_each_other_are_ended_by_an_exception_and_join_can_be_called_again) {
  told heard;
  runtime home{{.seats = 1, .tracking = heard.options(deadlock_action::fail_waits)}};
  run_in(home, {.name = "main"}, [&] {
    join_handle<int> first, second;
    std::atomic<int> refused{0}, ended{0};
    event both;
    auto join = [&](join_handle<int>& other) {
      EXPECT_TRUE(both.wait());
      int joined = 1;
      try {
        joined = other.join();
      } catch (const deadlock_error&) {
        ++refused;
      }
      ++ended;
      return joined;
    };
    first = spawn([&] { return join(second); });
    second = spawn([&] { return join(first); });
    both.set();
    while (ended != 2) yield();
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(first.join(), 1) << "the younger one was refused";
  });
  EXPECT_EQ(heard.all.size(), 1u);
}

TEST(deadlocks, of_a_shielded_wait_are_ended_elsewhere) {
  told heard;
  runtime home{{.seats = 1, .tracking = heard.options(deadlock_action::fail_waits)}};
  run_in(home, {.name = "main"}, [&] {
    mutex left, right;
    event both;
    auto older = spawn([&] {
      std::scoped_lock held{right};
      EXPECT_TRUE(both.wait());
      EXPECT_THROW(left.lock(), deadlock_error);
    });
    auto younger = spawn([&] {
      std::scoped_lock held{left};
      EXPECT_TRUE(both.wait());
      EXPECT_TRUE(await(shield(right.async_lock())));
      right.unlock();
    });
    run_until_parked(older);
    run_until_parked(younger);
    both.set();
    older.join();
    younger.join();
  });
  EXPECT_EQ(heard.all.size(), 1u);
}

TEST(leaks, are_reported_at_the_end_when_asked_for) {
  std::vector<std::string> lines;
  std::mutex mutex;
  {
    virtual_clock clock;
    runtime home{{.seats = 1,
                  .report =
                      [&](std::string_view line) {
                        std::lock_guard guard{mutex};
                        lines.emplace_back(line);
                      },
                  .tracking = {.leaks = leak_report::yes}}};
    static channel<int> never{0};
    run_in(home, {}, [&] {
      auto detached = spawn({.name = "forgotten"}, [&] { static_cast<void>(never.recv()); });
      run_until_parked(detached);
      detached.detach();
    });
    home.report_leaks();
  }
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("\"forgotten\", a virtual thread spawned at "), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("for the channel 0x"), std::string::npos) << lines[0];
}

TEST(shutdown, names_the_children_of_detached_tasks_that_do_not_end_as_well) {
  std::vector<std::string> lines;
  std::mutex mutex;
  event let_go;
  {
    virtual_clock clock;
    runtime home{{.seats = 1,
                  .shutdown_report_after = 0s,
                  .report =
                      [&](std::string_view line) {
                        std::lock_guard guard{mutex};
                        lines.emplace_back(line);
                        if (lines.size() == 2) let_go.set();
                      },
                  .tracking = {.tasks = tracking::on},
                  .warnings = warning_options::none()}};
    run_in(home, {}, [&] {
      auto parent = spawn({.name = "parent"}, [&] {
        scope children;
        children.spawn({.name = "child"}, [&] {
          cancellation_shield not_now;
          EXPECT_TRUE(let_go.wait());
        });
        children.join();
      });
      run_until_parked(parent);
      parent.detach();
    });
  }
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find("it cancelled the task \"parent\", spawned at "), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("as well the task"), std::string::npos) << lines[1];
  EXPECT_NE(lines[1].find("\"child\", a virtual thread spawned at "), std::string::npos) << lines[1];
}

}  // namespace
}  // namespace weft
