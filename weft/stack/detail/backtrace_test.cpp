#include <algorithm>
#include <vector>

#include <execinfo.h>
#include <gtest/gtest.h>

#include "tests/support/flow.hpp"
#include "weft/stack/detail/frames.hpp"

namespace weft::stack {
namespace {

using addresses = std::vector<void*>;

constexpr std::size_t capacity = 100;

template <class Collect>
addresses collected(Collect collect) {
  addresses trace(capacity);
  trace.resize(collect(trace.data(), capacity));
  return trace;
}

addresses backtrace_of_the_running() {
  return collected(
      [](void** to, std::size_t most) { return static_cast<std::size_t>(::backtrace(to, static_cast<int>(most))); });
}

/// What a flow's functions see of themselves.
struct notes {
  addresses callers;  // innermost first
  addresses running;
};

[[gnu::noinline]] void innermost(flow& self, notes& seen) {
  seen.callers = {__builtin_return_address(0)};
  seen.running = backtrace_of_the_running();
  self.pause();
}

[[gnu::noinline]] void middle(flow& self, notes& seen) {
  innermost(self, seen);
  seen.callers = {__builtin_return_address(0)};
  seen.running = backtrace_of_the_running();
  self.pause();
}

[[gnu::noinline]] void outer(flow& self, notes& seen) {
  middle(self, seen);
  asm volatile("");  // so that the call above is no jump
}

/// That `trace` contains `callers` and ends where flows begin.
void expect_trace_through(const addresses& trace, const addresses& callers) {
  ASSERT_FALSE(trace.empty());
  ASSERT_LT(trace.size(), capacity);
  for (void* caller : callers) EXPECT_NE(std::ranges::find(trace, caller), trace.end()) << caller << " is missing";
  const auto end = reinterpret_cast<std::uintptr_t>(trace.back());
  const auto bottom = reinterpret_cast<std::uintptr_t>(&weft_stack_bottom_frame);
  EXPECT_GT(end, bottom);
  EXPECT_LT(end, bottom + 64);
}

class backtrace : public testing::Test {
 protected:
  void TearDown() override {
    while (!flow_under_test.ended()) flow_under_test.resume();
  }
  stack_pool pool{256 * 1024};
  notes seen;
  flow flow_under_test{pool, [this](flow& self) { outer(self, seen); }};
};

TEST_F(backtrace, of_the_running_flow_reaches_its_entry_and_ends_there) {
  flow_under_test.resume();
  expect_trace_through(seen.running, seen.callers);
}

TEST_F(backtrace, of_a_parked_flow_has_the_frames_that_it_will_return_to) {
  auto trace = [this] {
    return collected([this](void** to, std::size_t most) { return flow_under_test.backtrace(to, most); });
  };
  flow_under_test.resume();
  const addresses deep = trace();
  expect_trace_through(deep, seen.callers);
  flow_under_test.resume();
  expect_trace_through(trace(), seen.callers);
  EXPECT_LT(trace().size(), deep.size());
}

TEST_F(backtrace, of_a_flow_that_has_not_run_is_where_flows_begin) {
  void* only[capacity];
  ASSERT_EQ(flow_under_test.backtrace(only, capacity), 1u);
  EXPECT_EQ(only[0], reinterpret_cast<void*>(&weft_stack_bottom_frame));
}

TEST_F(backtrace, writes_no_more_than_there_is_room_for) {
  flow_under_test.resume();
  void* two[3] = {nullptr, nullptr, this};
  EXPECT_EQ(flow_under_test.backtrace(two, 2), 2u);
  EXPECT_NE(two[1], nullptr);
  EXPECT_EQ(two[2], this);
  EXPECT_EQ(flow_under_test.backtrace(two, 0), 0u);
}

}  // namespace
}  // namespace weft::stack
