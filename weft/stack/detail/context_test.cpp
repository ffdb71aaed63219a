#include <cfenv>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/flow.hpp"

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

/// The rounding mode of double, which is that of MXCSR on x86-64; std::fegetround() tells that of x87, for long double.
int rounding_of_double() {
  volatile double one = 1, three = 3, ten = 10;
  // To the nearest, a third is rounded down and a tenth up.
  const bool third_up = one / three > 0x1.5555555555555p-2, tenth_up = one / ten > 0x1.9999999999999p-4;
  return third_up ? FE_UPWARD : tenth_up ? FE_TONEAREST : FE_DOWNWARD;
}

TEST(context, each_flow_has_its_own_rounding_mode_and_a_new_one_inherits_its_creators) {
  stack_pool pool{stack_bytes};
  ASSERT_EQ(std::fegetround(), FE_TONEAREST);
  std::fesetround(FE_UPWARD);
  ASSERT_EQ(rounding_of_double(), FE_UPWARD);
  flow rounder{pool, [&](flow& self) {
                 EXPECT_EQ(std::fegetround(), FE_UPWARD);
                 EXPECT_EQ(rounding_of_double(), FE_UPWARD);
                 std::fesetround(FE_DOWNWARD);
                 self.pause();
                 EXPECT_EQ(std::fegetround(), FE_DOWNWARD);
                 EXPECT_EQ(rounding_of_double(), FE_DOWNWARD);
               }};
  std::fesetround(FE_TONEAREST);
  rounder.resume();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  EXPECT_EQ(rounding_of_double(), FE_TONEAREST);
  resume_elsewhere(rounder);
  EXPECT_TRUE(rounder.ended());
}

TEST(context, flows_leave_their_catch_blocks_in_any_order) {
  stack_pool pool{stack_bytes};
  std::string order;
  auto catches = [&](std::string name) {
    return [&order, name](flow& self) {
      try {
        throw std::runtime_error{name};
      } catch (const std::runtime_error&) {
        self.pause();
        try {
          throw std::logic_error{name + " nested"};
        } catch (const std::logic_error& error) {
          self.pause();
          order += error.what();
          order += ", ";
        }
        try {
          std::rethrow_exception(std::current_exception());
        } catch (const std::exception& error) {
          order += error.what();
          order += "; ";
        }
      }
    };
  };
  flow one{pool, catches("one")}, two{pool, catches("two")}, three{pool, catches("three")};
  for (int round = 0; round < 2; ++round) {
    one.resume();
    two.resume();
    three.resume();
  }
  two.resume();
  one.resume();
  three.resume();
  EXPECT_EQ(order, "two nested, two; one nested, one; three nested, three; ");
  EXPECT_EQ(std::current_exception(), nullptr);
}

TEST(context, an_exception_travels_from_one_flow_to_another) {
  stack_pool pool{stack_bytes};
  std::exception_ptr carried;
  std::string caught;
  flow thrower{pool, [&](flow& self) {
                 try {
                   throw std::runtime_error{"carried"};
                 } catch (...) {
                   carried = std::current_exception();
                   self.pause();
                 }
               }};
  flow catcher{pool, [&](flow&) {
                 try {
                   std::rethrow_exception(std::exchange(carried, nullptr));
                 } catch (const std::runtime_error& error) {
                   caught = error.what();
                 }
               }};
  thrower.resume();
  resume_elsewhere(catcher);
  thrower.resume();
  EXPECT_EQ(caught, "carried");
}

/// More values than there are registers of each kind, all alive across each call of `pause`.
template <class Pause>
long double calculate(int start, Pause pause) {
  volatile int one = start;
  long a = one, b = a + one, c = b + one, d = c + one, e = d + one, f = e + one, g = f + one, h = g + one;
  double p = one, q = p + one, r = q + one, s = r + one, t = s + one, u = t + one, v = u + one, w = v + one;
  long double x = one, y = x + one, z = y + one;
  for (int round = 0; round < 3; ++round) {
    pause();
    a += b += c += d += e += f += g += h += one;
    p += q += r += s += t += u += v += w += one;
    x += y += z += one;
  }
  return static_cast<long double>(a ^ b ^ c ^ d ^ e ^ f ^ g ^ h) + p / q * r / s * t / u * v / w + x * y / z;
}

TEST(context, every_live_value_survives_a_switch_whatever_register_it_is_in) {
  stack_pool pool{stack_bytes};
  const long double one = calculate(1, [] {}), five = calculate(5, [] {});
  flow left{pool, [&](flow& self) { EXPECT_EQ(calculate(1, [&] { self.pause(); }), one); }};
  flow right{pool, [&](flow& self) { EXPECT_EQ(calculate(5, [&] { self.pause(); }), five); }};
  while (!left.ended() || !right.ended()) {
    if (!left.ended()) left.resume();
    if (!right.ended()) resume_elsewhere(right);
  }
}

TEST(context, a_flow_that_ends_without_unwinding_leaves_a_stack_that_the_next_one_may_use) {
  stack_pool pool{stack_bytes};
  for (int round = 0; round < 3; ++round) {
    flow abandons{pool, [](flow& self) {
                    char frames[100 * 1024];  // too large for AddressSanitizer to move elsewhere
                    asm volatile("" : : "r"(static_cast<void*>(frames)) : "memory");
                    self.pause();
                    self.pause();
                  }};
    abandons.resume();
  }
  slot* stack = pool.allocate().value();
  std::memset(stack->bottom(), 2, stack->bytes());
  pool.release(stack);
}

TEST(context, any_number_of_flows_use_one_stack_after_another) {
  // More than ThreadSanitizer's shadow stack has room for, each leaving a frame. AddressSanitizer maps memory for each.
#ifdef WEFT_ADDRESS_SANITIZER
  constexpr int count = 2'000;
#else
  constexpr int count = 100'000;
#endif
  stack_pool pool{64 * 1024};
  int ended = 0;
  for (int i = 0; i < count; ++i) {
    flow one{pool, [&](flow& self) {
               self.pause();
               ++ended;
             }};
    one.resume();
    one.resume();
  }
  EXPECT_EQ(ended, count);
  EXPECT_EQ(pool.stats().made, 1u);
}

TEST(context, a_flow_that_never_ran_gives_its_stack_back) {
  stack_pool pool{stack_bytes};
  int runs = 0;
  for (int i = 0; i < 100; ++i) flow{pool, [&](flow&) { ++runs; }};
  EXPECT_EQ(runs, 0);
  flow used{pool, [&](flow&) { ++runs; }};
  used.resume();
  EXPECT_EQ(runs, 1);
}

TEST(context_death_test, an_entry_function_that_returns_is_named_as_the_mistake) {
  auto return_from_entry = [] {
    stack_pool pool{stack_bytes};
    slot* stack = pool.allocate().value();
    context self, returns;
    returns.prepare(stack->bottom(), stack->top(), stack, [](void*) {}, nullptr);
    context::switch_to(self, returns);
  };
  EXPECT_DEATH(return_from_entry(), "end it with context::exit_to");
}

TEST(context_death_test, an_exception_that_leaves_the_entry_function_ends_the_program) {
  auto throw_from_entry = [] {
    stack_pool pool{stack_bytes};
    flow throws{pool, [](flow&) { throw std::runtime_error{"out of the entry"}; }};
    throws.resume();
  };
  EXPECT_DEATH(throw_from_entry(), "out of the entry");
}

}  // namespace
}  // namespace weft::stack
