#include <weft/task/async_generator.hpp>

#include <functional>
#include <string>

#include <gtest/gtest.h>
#include <pthread.h>

#include <weft/runtime/runtime.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

// CMake compiles this file at each level of optimisation. Every case runs on little stack, so that it fails where the
// stack grows with the number of coroutines.

namespace weft {
namespace {

task<int> one() { co_return 1; }

task<int> await_in_a_loop(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await one();
  co_return sum;
}

task<int> await_in_a_chain(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await await_in_a_chain(depth - 1);
}

task<int> throw_through_a_chain(int depth) {
  if (depth == 0) throw 7;
  co_return co_await throw_through_a_chain(depth - 1);
}

task<int> catch_through_a_chain(int depth) {
  try {
    co_return co_await throw_through_a_chain(depth);
  } catch (int) {}
  co_return depth;
}

async_generator<int> ones(int count) {
  for (int i = 0; i < count; ++i) co_yield co_await one();
}

task<int> ask_a_generator(int count) {
  auto all = ones(count);
  int sum = 0;
  while (auto* each = co_await all.async_next()) sum += *each;
  co_return sum;
}

/// The loops of an OS thread's calls nest; each leaves the one around it as it was.
task<int> nest(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) {
    auto all = ones(1);
    sum += i % 2 == 0 ? await(await_in_a_loop(1)) : *all.next();
    sum += co_await one() - 1;
  }
  co_return sum;
}

/// Runs `f` on an OS thread whose stack is small.
void run_on_a_thread(std::function<void()> f) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_t thread;
  auto call = [](void* callable) -> void* {
    (*static_cast<std::function<void()>*>(callable))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, call, &f), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

constexpr int few = 3'000, many = 1'000'000;

struct way {
  std::string name;
  task<int> (*make)(int count);
  int most = many;
};

class transfers : public testing::TestWithParam<way> {
 protected:
  static task<int> make(int count) { return GetParam().make(count); }
  static int most() { return GetParam().most; }
};

INSTANTIATE_TEST_SUITE_P(each, transfers,
                         testing::Values(way{"loop", await_in_a_loop}, way{"chain", await_in_a_chain},
                                         way{"chain_that_throws", catch_through_a_chain, many / 50},
                                         way{"generator", ask_a_generator}),
                         [](const auto& each) { return each.param.name; });

TEST_P(transfers, between_a_million_coroutines_use_no_stack_of_a_virtual_thread) {
  runtime home{{.seats = 1}};
  run_in(home, {.name = "small", .stack_bytes = 1}, [&] {
    EXPECT_EQ(await(make(few)), few);
    EXPECT_EQ(await(make(most())), most());
  });
}

TEST_P(transfers, between_a_million_coroutines_use_no_stack_of_a_carrier) {
  runtime home{{.seats = 2}};
  EXPECT_EQ(run_in(home, {}, [&] { return spawn(make(most())).join(); }), most());
}

TEST_P(transfers, between_a_million_coroutines_use_no_stack_of_the_main_thread) {
  EXPECT_EQ(await(make(few)), few);
  EXPECT_EQ(await(make(most())), most());
}

TEST_P(transfers, between_a_million_coroutines_use_no_stack_of_a_plain_thread) {
  run_on_a_thread([&] {
    EXPECT_EQ(await(make(few)), few);
    EXPECT_EQ(await(make(most())), most());
  });
}

TEST(nested_awaits, in_the_blocking_form_go_on_where_they_were) {
  EXPECT_EQ(await(nest(few)), few);
  runtime home{{.seats = 1}};
  EXPECT_EQ(run_in(home, {}, [] { return await(nest(few)); }), few);
}

}  // namespace
}  // namespace weft
