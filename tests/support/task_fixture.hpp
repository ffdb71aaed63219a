#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <system_error>

#include <weft/runtime/runtime.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>

namespace weft::testing {

/// Runs `f` as the first virtual thread of a fresh runtime on the virtual clock, where hours pass in microseconds and
/// only when every task is parked, and waits for its end, which must leave no stack behind.
template <class F>
void run_on_virtual_clock(std::size_t seats, F f) {
  virtual_clock clock;
  runtime home{{.seats = seats}};
  run_in(home, {.name = "test"}, std::move(f));
  // A carrier gives the last stack back a moment after it told the joiner: stop first, then look.
  home.shut_down();
  EXPECT_EQ(home.stacks().stats().in_use, 0u) << "a task was leaked";
}

/// Runs each case on one seat and on several.
class runtime_test : public ::testing::TestWithParam<std::size_t> {
 protected:
  template <class F>
  void run(F f) {
    run_on_virtual_clock(GetParam(), std::move(f));
  }
};

/// Lets others run until `task` is parked: exact, unlike a sleep.
template <class T>
void run_until_parked(const join_handle<T>& task) {
  while (!task.is_parked()) yield();
}

/// Joins a task that is to end with the exception of its cancelled wait.
inline void expect_cancelled(join_handle<void>& task) {
  try {
    task.join();
    ADD_FAILURE() << "not cancelled";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), errc::cancelled);
  }
}

}  // namespace weft::testing

/// Instantiates the cases of `suite` on one seat and on several.
#define WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(suite)                                              \
  INSTANTIATE_TEST_SUITE_P(seats, suite, ::testing::Values(std::size_t{1}, std::size_t{3}), \
                           [](const auto& each) { return "seats_" + std::to_string(each.param); })
