#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <system_error>

#include <sys/resource.h>
#include <unistd.h>

#include <weft/runtime/runtime.hpp>
#include <weft/stack/detail/instrumentation.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>

#include "tests/support/task_fixture.hpp"

namespace weft {
namespace {

using namespace std::chrono_literals;

class stack_size : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(stack_size);

/// Touches so much stack, and more.
template <std::size_t bytes>
[[gnu::noinline]] void use_stack() {
  std::array<char, bytes> used;
  used.fill(1);
  auto* all = used.data();
  asm volatile("" : "+r"(all) : : "memory");
}

TEST_P(stack_size, of_zero_is_the_runtimes_and_of_one_the_least_that_a_task_can_run_on) {
  run([] {
    EXPECT_EQ(spawn({.name = "default", .stack_bytes = 0}, [] { return use_stack<100'000>(), 1; }).join(), 1);
    EXPECT_EQ(spawn({.name = "least", .stack_bytes = 1}, [] { return use_stack<4'000>(), 2; }).join(), 2);
  });
}

TEST_P(stack_size, beyond_what_the_system_grants_is_an_error_of_spawn_and_everything_else_goes_on) {
  run([] {
    auto other = spawn([] { return sleep(1ms).has_value(); });
    try {
      spawn({.name = "huge", .stack_bytes = std::size_t{1} << 60}, [] {}).join();
      ADD_FAILURE() << "a stack of 2^60 bytes was granted";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::errc::not_enough_memory);
      EXPECT_NE(std::string{error.what()}.find("no stack for a virtual thread"), std::string::npos) << error.what();
      EXPECT_NE(std::string{error.what()}.find("stack_bytes"), std::string::npos) << error.what();
    }
    EXPECT_TRUE(other.join());
    EXPECT_EQ(spawn([] { return 1; }).join(), 1);
  });
}

/// Spawns tasks that wait until no more stack is to be had; then all end. Exits with 0 when the error named the limit
/// and every task went on.
void exhaust_address_space() {
  rlimit limit{};
  limit.rlim_cur = limit.rlim_max = std::size_t{1} << 30;
  setrlimit(RLIMIT_AS, &limit);
  runtime home{{.seats = 2}};
  int right = run_in(home, {}, [] {
    std::atomic<int> ended{0};
    int spawned = 0;
    std::string reason;
    {
      scope all;
      try {
        for (;; ++spawned) {
          all.spawn([&] {
            static_cast<void>(sleep(1h));
            ++ended;
          });
        }
      } catch (const std::system_error& error) {
        reason = error.what();
      }
      all.cancel();
    }
    static_cast<void>(!write(STDERR_FILENO, reason.data(), reason.size()));
    return spawned > 1'000 && ended == spawned && spawn([] { return 1; }).join() == 1;
  });
  _exit(right ? 0 : 1);
}

TEST(stack_size_death_test, when_address_space_runs_out_spawn_names_the_limit_and_everything_else_goes_on) {
  if constexpr (stack::instrumented) GTEST_SKIP() << "a sanitizer needs more address space than that";
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_EXIT(exhaust_address_space(), ::testing::ExitedWithCode(0), "RLIMIT_AS.*ulimit -v");
}

TEST_P(stack_size, is_recommended_by_what_the_tasks_of_a_spawn_site_have_touched) {
  if constexpr (stack::instrumented) GTEST_SKIP() << "a sanitizer's frames are larger";
  run([] {
    const auto first_line = std::source_location::current().line();
    for (int i = 0; i < 3; ++i) spawn([] { use_stack<50'000>(); }).join();
    for (int i = 0; i < 3; ++i) spawn([] { use_stack<1'000>(); }).join();
    auto measured_at = [&](unsigned line) {
      for (const auto& use : runtime::current()->stack_uses()) {
        if (use.spawned_at.line() == line) return use;
      }
      return stack_use{};
    };
    // A handle knows of the end a moment before the stack is measured.
    while (measured_at(first_line + 1).measured == 0 || measured_at(first_line + 2).measured == 0) yield();
    const auto deep = measured_at(first_line + 1), flat = measured_at(first_line + 2);
    EXPECT_GE(deep.measured, 1u);
    EXPECT_GE(deep.most_bytes, 50'000u);
    EXPECT_LE(deep.most_bytes, 60'000u);
    EXPECT_GT(deep.recommended_bytes, deep.most_bytes);
    EXPECT_GE(flat.measured, 1u);
    EXPECT_LE(flat.most_bytes, 12'288u);
    EXPECT_GE(flat.most_bytes, 4'096u);
  });
}

}  // namespace
}  // namespace weft
