// What is reported of locks of the standard library that a task holds while it waits, where weft_lock_check is linked.

#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include <weft/runtime/runtime.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;

/// Runs `f` as a task and gives what was reported.
template <class F>
std::vector<std::string> reports_of(F f, tracking tracked = tracking::on) {
  std::mutex mutex;
  std::vector<std::string> said;
  {
    runtime home{{.seats = 1,
                  .report =
                      [&](std::string_view line) {
                        std::lock_guard guard{mutex};
                        said.emplace_back(line);
                      },
                  .tracking = {.tasks = tracked}}};
    run_in(home, {.name = "test"}, f);
  }
  return said;
}

template <class Lock>
void hold_over_a_wait() {
  Lock lock;
  for (int i = 0; i < 3; ++i) {
    auto said = reports_of([&] {
      auto holder = spawn({.name = "holder"}, [&] {
        std::unique_lock guard{lock};
        static_cast<void>(sleep(1ms));
      });
      holder.join();
      // On the same OS thread, and not to blame.
      spawn({.name = "innocent"}, [] { static_cast<void>(sleep(1ms)); }).join();
    });
    ASSERT_EQ(said.size(), 1u);
    EXPECT_NE(said[0].find("the task \"holder\", spawned at"), std::string::npos) << said[0];
    EXPECT_NE(said[0].find("holds a lock of the standard library"), std::string::npos) << said[0];
  }
}

TEST(locks_of_the_standard_library, that_a_task_holds_while_it_waits_are_reported) {
  hold_over_a_wait<std::mutex>();
  hold_over_a_wait<std::recursive_mutex>();
  hold_over_a_wait<std::timed_mutex>();
  hold_over_a_wait<std::shared_mutex>();
}

TEST(locks_of_the_standard_library, that_are_held_shared_or_by_a_coroutine_are_reported) {
  std::shared_mutex shared;
  EXPECT_EQ(reports_of([&] {
              std::shared_lock guard{shared};
              static_cast<void>(sleep(1ms));
            }).size(),
            1u);
  std::mutex plain_one;
  EXPECT_EQ(reports_of([&] {
              spawn([&]() -> task<> {
                std::lock_guard guard{plain_one};
                static_cast<void>(co_await async_sleep(1ms));
              }).join();
            }).size(),
            1u);
}

TEST(locks_of_the_standard_library, are_reported_once_for_each_spawn_site) {
  std::mutex lock;
  EXPECT_EQ(reports_of([&] {
              for (int i = 0; i < 5; ++i) {
                spawn([&] {
                  std::lock_guard guard{lock};
                  static_cast<void>(sleep(1ms));
                }).join();
              }
            }).size(),
            1u);
}

TEST(locks_of_the_standard_library, that_are_let_go_before_the_wait_are_not_nor_those_of_weft_nor_without_tracking) {
  std::mutex lock;
  mutex of_weft;
  auto in_order = [&] {
    { std::lock_guard guard{lock}; }
    std::unique_lock guard{lock};
    guard.unlock();
    std::lock_guard held{of_weft};
    static_cast<void>(sleep(1ms));
  };
  EXPECT_TRUE(reports_of(in_order).empty());
  EXPECT_TRUE(reports_of(
                  [&] {
                    std::lock_guard guard{lock};
                    static_cast<void>(sleep(1ms));
                  },
                  tracking::off)
                  .empty());
}

}  // namespace
}  // namespace weft
