#include <weft/stack/detail/stack_pool.hpp>

#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weft/stack/detail/instrumentation.hpp>

namespace weft::stack {
namespace {

class stack_pool_with : public testing::TestWithParam<guard_method> {};
INSTANTIATE_TEST_SUITE_P(guards, stack_pool_with, testing::Values(guard_method::best, guard_method::split_protection),
                         [](const auto& guard) {
                           return guard.param == guard_method::best ? "best" : "split_protection";
                         });

TEST_P(stack_pool_with, the_whole_stack_is_usable_and_the_byte_below_it_is_not) {
  stack_pool pool{64 * 1024, GetParam()};
  slot* stack = pool.allocate().value();
  EXPECT_EQ(static_cast<std::size_t>(stack->top() - stack->bottom()), stack->bytes());
  EXPECT_GE(stack->bytes() + stack_pool::largest_inset_bytes, 64u * 1024);
  std::memset(stack->bottom(), 1, stack->bytes());
  EXPECT_DEATH(*const_cast<volatile std::byte*>(stack->bottom() - 1) = std::byte{1}, "");
  pool.release(stack);
}

TEST_P(stack_pool_with, the_stack_released_last_is_given_out_first) {
  stack_pool pool{64 * 1024, GetParam()};
  slot* one = pool.allocate().value();
  slot* two = pool.allocate().value();
  pool.release(one);
  pool.release(two);
  EXPECT_EQ(pool.allocate().value(), two);
  EXPECT_EQ(pool.allocate().value(), one);
  pool.release(one);
  pool.release(two);
}

TEST(stack_pool, a_trimmed_stack_is_empty_and_still_guarded) {
  stack_pool pool{64 * 1024};
  slot* hot = pool.allocate().value();
  slot* cold = pool.allocate().value();
  std::memset(hot->bottom(), 1, hot->bytes());
  std::memset(cold->bottom(), 1, cold->bytes());
  pool.release(cold);
  pool.release(hot);
  EXPECT_EQ(pool.trim(1), 1u);
  EXPECT_EQ(pool.stats().kept, 1u);
  EXPECT_EQ(pool.stats().empty, 1u);
  EXPECT_EQ(*hot->bottom(), std::byte{1});
  EXPECT_EQ(*cold->bottom(), std::byte{0});
  EXPECT_DEATH(*const_cast<volatile std::byte*>(cold->bottom() - 1) = std::byte{1}, "");
}

TEST(stack_pool, gives_back_what_was_not_needed_between_two_calls_but_for_a_few) {
  stack_pool pool{64 * 1024};
  constexpr std::size_t many = 500;
  std::vector<slot*> stacks;
  for (std::size_t i = 0; i < many; ++i) {
    stacks.push_back(pool.allocate().value());
    stacks.back()->top()[-1] = std::byte{1};
  }
  for (slot* stack : stacks) pool.release(stack);
  EXPECT_EQ(pool.trim_idle(), 0u) << "all were in use a moment ago";
  EXPECT_TRUE(pool.has_more_than_always_kept());
  EXPECT_GT(pool.trim_idle(), many / 2);
  EXPECT_FALSE(pool.has_more_than_always_kept());
  EXPECT_EQ(pool.stats().kept, stack_pool::always_kept);
  EXPECT_EQ(pool.stats().empty, many - stack_pool::always_kept);
  EXPECT_EQ(pool.trim_idle(), 0u);

  for (auto& stack : stacks) stack = pool.allocate().value();
  EXPECT_EQ(pool.stats().made, many) << "empty ones are given out again";
  for (slot* stack : stacks) pool.release(stack);
}

TEST(stack_pool, measures_what_of_a_stack_was_touched) {
  stack_pool pool{64 * 1024};
  slot* stack = pool.allocate().value();
  std::memset(stack->bottom(), 1, stack->bytes());
  stack->begin_measuring();
  std::memset(stack->top() - 20'000, 1, 100);
  EXPECT_TRUE(stack->is_measured());
  const auto bytes = stack->end_measuring();
  EXPECT_GE(bytes, 20'000u);
  EXPECT_LE(bytes, 30'000u);
  EXPECT_FALSE(stack->is_measured());
  pool.release(stack);
}

TEST(stack_pool, holds_a_hundred_thousand_touched_stacks) {
  stack_pool pool{16 * 1024};
  if (pool.stats().guard != guard_method::advice) GTEST_SKIP() << "here a guard takes two of the kernel's mappings";
  std::vector<slot*> stacks;
  for (int i = 0; i < 100'000; ++i) {
    auto stack = pool.allocate();
    ASSERT_TRUE(stack) << pool.explain(stack.error());
    *((*stack)->top() - 1) = std::byte{1};
    stacks.push_back(*stack);
  }
  EXPECT_EQ(pool.stats().in_use, 100'000u);
  for (slot* stack : stacks) pool.release(stack);
  EXPECT_EQ(pool.stats().made, 100'000u);
}

TEST(stack_pool, at_the_limit_of_mappings_names_it_and_goes_on_when_a_stack_is_released) {
  if constexpr (instrumented) GTEST_SKIP() << "the sanitizers end the program when they get no mapping themselves";
  long allowed = 0;
  std::ifstream{"/proc/sys/vm/max_map_count"} >> allowed;
  if (allowed > 100'000) GTEST_SKIP() << "vm.max_map_count is too high to reach here: " << allowed;
  stack_pool pool{16 * 1024, guard_method::split_protection};
  std::vector<slot*> stacks;
  stacks.reserve(static_cast<std::size_t>(allowed));  // it could not grow at the limit
  std::error_code refused;
  while (!refused) {
    auto stack = pool.allocate();
    if (stack) {
      stacks.push_back(*stack);
    } else {
      refused = stack.error();
    }
  }
  EXPECT_GT(stacks.size(), 30'000u);
  EXPECT_EQ(refused, std::errc::not_enough_memory);
  const std::string reason = pool.explain(refused);
  EXPECT_NE(reason.find("vm.max_map_count"), std::string::npos) << reason;
  EXPECT_FALSE(pool.allocate());

  slot* last = stacks.back();
  pool.release(last);
  EXPECT_EQ(pool.allocate().value(), last);
  for (slot* stack : stacks) pool.release(stack);
}

TEST(stack_pool, a_size_of_zero_is_raised_and_a_size_beyond_the_address_space_fails_with_a_reason) {
  stack_pool none{0};
  slot* stack = none.allocate().value();
  EXPECT_GE(none.stack_bytes(), 16u * 1024);
  none.release(stack);

  stack_pool huge{std::size_t{1} << 60};
  auto refused = huge.allocate();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), std::errc::not_enough_memory);
  EXPECT_NE(huge.explain(refused.error()).find("stack_bytes"), std::string::npos);
}

TEST(stack_pool, os_threads_allocate_and_release_at_the_same_time) {
  stack_pool pool{64 * 1024};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 1000; ++round) {
        slot* stack = pool.allocate().value();
        stack->top()[-1] = std::byte{1};
        pool.release(stack);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(pool.stats().in_use, 0u);
  EXPECT_LE(pool.stats().made, 4u);
}

}  // namespace
}  // namespace weft::stack
