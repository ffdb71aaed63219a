// The examples of docs/rules.md as they stand there, compiled, and run where they are right.

#include <gtest/gtest.h>

#include <mutex>
#include <random>
#include <thread>

#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task_local.hpp>

namespace {

// clang-format off
thread_local int hits = 0;

void wrong(weft::channel<int>& numbers) {
  ++hits;                                  // the compiler notes where `hits` is
  static_cast<void>(numbers.recv());       // the task may wake on another thread
  ++hits;                                  // and this is the first thread's, which others use at the same time
}

weft::task_local<int> request_number{0};

int answer(weft::channel<int>& numbers) {
  weft::task_local<int>::binding bound{request_number, 7};
  static_cast<void>(numbers.recv());
  return request_number.get();             // 7, wherever the task woke; tasks that it spawns see it too
}

[[gnu::noinline]] unsigned random_number() {
  asm volatile("" ::: "memory");           // and is not taken for a constant
  thread_local std::minstd_rand generator;
  return static_cast<unsigned>(generator());
}

int use_a_library_of_threads(weft::channel<int>& numbers) {
  weft::spawn_options stays{.name = "legacy", .stays_on_thread = true};
  return weft::spawn(stays, [&] {
    const auto thread = std::this_thread::get_id();
    static_cast<void>(numbers.recv());
    return thread == std::this_thread::get_id() ? 1 : 0;  // 1: it stays on its thread
  }).join();
}

std::mutex locked;

void wrong_too(weft::channel<int>& numbers) {
  std::lock_guard guard{locked};
  static_cast<void>(numbers.recv());       // another task on this thread that locks `locked` stops it for ever
}                                          // perhaps unlocked by another thread than the one that locked it

weft::mutex shared;

void right(weft::channel<int>& numbers) {
  std::lock_guard guard{shared};
  static_cast<void>(numbers.recv());       // others that want it park
}
// clang-format on

TEST(the_rules_for_code_that_waits, have_examples_that_do_what_they_say) {
  weft::runtime home{{.seats = 2}};
  weft::run_in(home, {}, [] {
    weft::channel<int> numbers{8u};
    for (int i = 0; i < 8; ++i) EXPECT_TRUE(numbers.send(i));
    wrong(numbers);  // it does not wait here, which is all that saves it
    wrong_too(numbers);
    EXPECT_EQ(answer(numbers), 7);
    EXPECT_EQ(request_number.get(), 0);
    EXPECT_NE(random_number(), random_number());
    EXPECT_EQ(use_a_library_of_threads(numbers), 1);
    right(numbers);
  });
}

}  // namespace
