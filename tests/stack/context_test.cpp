#include <cfenv>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <stack/flow.hpp>

namespace weft::stack {
namespace {

constexpr std::size_t stack_bytes = 256 * 1024;

/// Resumes `resumed` in an OS thread of its own and waits until it pauses or ends.
void resume_elsewhere(flow& resumed) {
  std::thread{[&] { resumed.resume(); }}.join();
}

/// Compilers believe that a function stays on its thread, and pthread_self() is declared so that they merge calls.
[[gnu::noinline]] std::thread::id this_thread() {
  asm volatile("");
  return std::this_thread::get_id();
}

TEST(context, a_flow_goes_back_and_forth_with_its_resumer_and_keeps_its_locals) {
  stack_pool pool{stack_bytes};
  int outside = 0;
  flow counter{pool, [&](flow& self) {
                 for (int inside = 0; inside < 1000; ++inside) {
                   EXPECT_EQ(outside, inside);
                   self.pause();
                 }
               }};
  for (; !counter.ended(); ++outside) counter.resume();
  EXPECT_EQ(outside, 1001);
}

TEST(context, a_flow_goes_on_in_another_os_thread) {
  stack_pool pool{stack_bytes};
  std::thread::id first, second;
  flow traveller{pool, [&](flow& self) {
                   first = this_thread();
                   self.pause();
                   second = this_thread();
                 }};
  traveller.resume();
  resume_elsewhere(traveller);
  EXPECT_TRUE(traveller.ended());
  EXPECT_EQ(first, this_thread());
  EXPECT_NE(second, first);
}

TEST(context, an_exception_thrown_and_caught_in_a_flow_stays_there) {
  stack_pool pool{stack_bytes};
  std::string caught;
  flow thrower{pool, [&](flow&) {
                 try {
                   throw std::runtime_error{"inside"};
                 } catch (const std::runtime_error& error) {
                   caught = error.what();
                 }
               }};
  thrower.resume();
  EXPECT_EQ(caught, "inside");
}

TEST(context, a_flow_paused_in_a_catch_block_goes_on_in_another_os_thread_and_rethrows_its_own_exception) {
  stack_pool pool{stack_bytes};
  std::string rethrown;
  flow catcher{pool, [&](flow& self) {
                 try {
                   try {
                     throw std::runtime_error{"the flow's"};
                   } catch (...) {
                     self.pause();
                     EXPECT_EQ(std::uncaught_exceptions(), 0);
                     throw;
                   }
                 } catch (const std::runtime_error& error) {
                   rethrown = error.what();
                 }
               }};
  catcher.resume();
  EXPECT_EQ(std::current_exception(), nullptr);
  std::thread{[&] {
    try {
      throw std::logic_error{"the thread's"};
    } catch (const std::logic_error& mine) {
      catcher.resume();
      EXPECT_STREQ(mine.what(), "the thread's");
      EXPECT_NE(std::current_exception(), nullptr);
    }
    EXPECT_EQ(std::current_exception(), nullptr);
  }}.join();
  EXPECT_TRUE(catcher.ended());
  EXPECT_EQ(rethrown, "the flow's");
}

struct pauses_when_destroyed {
  flow& self;
  int uncaught_before = -1;
  int& uncaught_after;
  ~pauses_when_destroyed() {
    uncaught_before = std::uncaught_exceptions();
    self.pause();
    uncaught_after = std::uncaught_exceptions();
  }
};

TEST(context, a_flow_paused_in_a_destructor_during_unwinding_goes_on_in_another_os_thread) {
  stack_pool pool{stack_bytes};
  int uncaught_after = -1;
  bool caught = false;
  flow unwinder{pool, [&](flow& self) {
                  try {
                    pauses_when_destroyed pauses{.self = self, .uncaught_after = uncaught_after};
                    throw 7;
                  } catch (int value) {
                    caught = value == 7;
                  }
                  EXPECT_EQ(std::uncaught_exceptions(), 0);
                }};
  unwinder.resume();
  EXPECT_EQ(std::uncaught_exceptions(), 0);
  resume_elsewhere(unwinder);
  EXPECT_TRUE(unwinder.ended());
  EXPECT_EQ(uncaught_after, 1);
  EXPECT_TRUE(caught);
}

TEST(context, each_flow_has_its_own_rounding_mode_and_a_new_one_inherits_its_creators) {
  stack_pool pool{stack_bytes};
  ASSERT_EQ(std::fegetround(), FE_TONEAREST);
  std::fesetround(FE_UPWARD);
  flow rounder{pool, [&](flow& self) {
                 EXPECT_EQ(std::fegetround(), FE_UPWARD);
                 std::fesetround(FE_DOWNWARD);
                 self.pause();
                 EXPECT_EQ(std::fegetround(), FE_DOWNWARD);
               }};
  std::fesetround(FE_TONEAREST);
  rounder.resume();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  resume_elsewhere(rounder);
  EXPECT_TRUE(rounder.ended());
}

}  // namespace
}  // namespace weft::stack
