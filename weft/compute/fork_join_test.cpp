#include "tests/support/fib.hpp"
#include "tests/support/task_fixture.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/compute/compute.hpp>
#include <weft/compute/fork_join.hpp>
#include <weft/parallel/invoke_all.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/task/scope.hpp>

namespace weft {
namespace {

using testing::fib;

class fork_join : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(fork_join);

TEST_P(fork_join, gives_what_the_outermost_task_returned) {
  run([] { EXPECT_EQ(weft::fork_join(fib, 20), 6765); });
}

TEST_P(fork_join, is_awaited_by_coroutines) {
  run([] {
    auto asking = spawn([]() -> task<int> { co_return co_await async_fork_join(fib, 15); });
    EXPECT_EQ(asking.join(), 610);
  });
}

TEST_P(fork_join, many_tasks_compute_at_once) {
  run([] {
    std::atomic<int> sum{0};
    {
      scope all;
      for (int i = 0; i < 30; ++i) all.spawn([&] { sum.fetch_add(weft::fork_join(fib, 12)); });
    }
    EXPECT_EQ(sum.load(), 30 * 144);
  });
}

/// Waits, in the child, until somebody has gone on with its parent: a theft that is certain.
parallel_task<> wait_until(const std::atomic<bool>* stolen) {
  while (!stolen->load()) std::this_thread::yield();
  co_return;
}

parallel_task<std::vector<std::thread::id>> is_stolen() {
  std::atomic<bool> stolen{false};
  std::vector<std::thread::id> where{std::this_thread::get_id()};
  co_await fork(wait_until, &stolen);
  where.push_back(std::this_thread::get_id());
  stolen = true;
  co_await join();
  co_return where;
}

TEST(fork_join_carriers, another_carrier_goes_on_behind_a_fork) {
  runtime home{{.seats = 1, .compute_carriers = 2}};
  for (int i = 0; i < 200; ++i) {
    auto where = run_in(home, {}, [] { return weft::fork_join(is_stolen); });
    ASSERT_NE(where[0], where[1]);
  }
  EXPECT_GE(home.computing().stolen, 200u);
}

parallel_task<> fail_when_stolen(const std::atomic<bool>* stolen) {
  co_await call(wait_until, stolen);
  throw std::runtime_error{"forked"};
}

parallel_task<int> fails() {
  throw std::out_of_range{"called"};
  co_return 0;
}

/// Its forked child throws, and then the one that it calls, while the first still uses its variables.
parallel_task<> throws_twice(std::atomic<int>* alive) {
  struct counted {
    std::atomic<int>& count;
    explicit counted(std::atomic<int>& of) : count{of} { ++count; }
    ~counted() { --count; }
  } variable{*alive};
  std::atomic<bool> stolen{false};
  co_await fork(fail_when_stolen, &stolen);
  stolen = true;
  static_cast<void>(co_await call(fails));
  co_await join();
}

TEST(fork_join_carriers, one_exception_arrives_and_the_rest_are_counted) {
  runtime home{{.seats = 1, .compute_carriers = 2}};
  std::atomic<int> alive{0};
  run_in(home, {}, [&] {
    EXPECT_ANY_THROW(weft::fork_join(throws_twice, &alive));
    EXPECT_EQ(alive.load(), 0);
  });
  EXPECT_EQ(home.computing().exceptions_lost, 1u);
}

parallel_task<int> catches() {
  int before = 1;
  try {
    before = co_await call(fails);
  } catch (const std::out_of_range&) {
    before = 2;
  }
  int after = 0;
  co_await fork(after, fib, 10);
  co_await join();
  co_return before * 100 + after;
}

TEST_P(fork_join, what_a_child_throws_can_be_caught_by_its_parent) {
  run([] {
    EXPECT_EQ(weft::fork_join(catches), 255);
    EXPECT_THROW(weft::fork_join(fails), std::out_of_range);
  });
}

parallel_task<> forgets_to_join(std::atomic<int>* ended, int depth) {
  if (depth > 0) {
    co_await fork(forgets_to_join, ended, depth - 1);
    co_await fork(forgets_to_join, ended, depth - 1);
  }
  ended->fetch_add(1);
}

TEST_P(fork_join, a_task_that_does_not_join_ends_after_its_children_all_the_same) {
  run([] {
    std::atomic<int> ended{0};
    weft::fork_join(forgets_to_join, &ended, 10);
    EXPECT_EQ(ended.load(), 2047);
  });
}

parallel_task<long> deep(long levels) {
  if (levels == 0) co_return 0;
  long below = 0;
  co_await fork(below, deep, levels - 1);
  co_await join();
  co_return below + 1;
}

parallel_task<long> deep_by_calls(long levels) {
  if (levels == 0) co_return 0;
  co_return 1 + co_await call(deep_by_calls, levels - 1);
}

TEST_P(fork_join, recursion_may_be_a_million_deep) {
  run([] {
    EXPECT_EQ(weft::fork_join(deep, 1'000'000L), 1'000'000);
    EXPECT_EQ(weft::fork_join(deep_by_calls, 1'000'000L), 1'000'000);
  });
}

/// Large parameters by value, which have to be destroyed, in frames of many sizes.
parallel_task<std::string> concatenate(std::string left, std::string right, int depth) {
  if (depth == 0) co_return left + right;
  std::string a;
  co_await fork(a, concatenate, left + "(", right, depth - 1);
  auto b = co_await call(concatenate, left, right + ")", depth - 1);
  co_await join();
  co_return a + b;
}

TEST_P(fork_join, parameters_and_results_may_be_objects) {
  run([] {
    auto text = weft::fork_join(concatenate, std::string(20, 'x'), std::string(20, 'y'), 8);
    EXPECT_EQ(text.size(), 256u * 40 + 2048);
  });
}

parallel_task<int> forks_for_ever(std::atomic<int>* begun) {
  for (;;) {
    int a = 0;
    co_await fork(a, fib, 5);
    begun->fetch_add(1);
    co_await join();
  }
}

TEST_P(fork_join, a_computation_that_is_cancelled_half_way_begins_no_child_and_ends) {
  run([] {
    std::atomic<int> begun{0};
    auto waits = spawn([&] { weft::fork_join(forks_for_ever, &begun); });
    while (begun < 100) yield();
    waits.cancel();
    testing::expect_cancelled(waits);
  });
}

TEST_P(fork_join, nests_in_compute_and_in_itself) {
  run([] {
    EXPECT_EQ(compute([] { return weft::fork_join(fib, 12); }), 144);
    auto nested = [](int n) -> parallel_task<int> {
      int a = 0;
      co_await fork(a, fib, n);
      int b = weft::fork_join(fib, n);  // blocks the carrier, which helps
      co_await join();
      co_return a + b;
    };
    EXPECT_EQ(weft::fork_join(nested, 12), 288);
  });
}

TEST_P(fork_join, invoke_all_calls_each_function_and_throws_what_one_threw) {
  run([] {
    std::atomic<int> sum{0};
    invoke_all([&] { sum += 1; }, [&] { sum += 10; }, [&] { sum += 100; });
    EXPECT_EQ(sum.load(), 111);
    invoke_all([&] { invoke_all([&] { sum += 1000; }, [&] { sum += 1000; }); }, [&] { sum += 1000; });
    EXPECT_EQ(sum.load(), 3111);
    EXPECT_THROW(invoke_all([] {}, [] { throw std::runtime_error{"one"}; }, [] {}), std::runtime_error);
  });
}

TEST(fork_join_on_os_threads, without_a_runtime_one_thread_computes_it_all) {
  EXPECT_EQ(weft::fork_join(fib, 15), 610);
  int calls = 0;
  invoke_all([&] { ++calls; }, [&] { ++calls; });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(weft::fork_join(deep, 100'000L), 100'000);
}

/// Uneven trees with thefts everywhere, under the sanitizers.
parallel_task<std::uint64_t> uneven(std::uint64_t seed, int depth) {
  std::uint64_t parts[4] = {};
  auto width = depth == 0 ? 0 : (seed >> 7) % 5;
  for (std::uint64_t i = 0; i < width && i < 4; ++i) {
    co_await fork(parts[i], uneven, seed * 6364136223846793005u + i + 1442695040888963407u, depth - 1);
  }
  auto called = width == 4 ? co_await call(uneven, seed ^ 0x9e3779b97f4a7c15u, depth - 1) : 0;
  if (seed % 3 == 0) std::this_thread::yield();
  co_await join();
  co_return 1 + parts[0] + parts[1] + parts[2] + parts[3] + called;
}

TEST(fork_join_carriers, uneven_trees_come_to_the_same_with_any_number_of_carriers) {
  auto with = [](std::size_t carriers) {
    runtime home{{.seats = 2, .compute_carriers = carriers}};
    return run_in(home, {}, [] {
      std::uint64_t sum = 0;
      for (std::uint64_t seed = 1; seed < 40; ++seed) sum += weft::fork_join(uneven, seed * 0x2545f4914f6cdd1du, 9);
      return sum;
    });
  };
  auto alone = with(1);
  for (std::size_t carriers : {2u, 3u, 8u}) EXPECT_EQ(with(carriers), alone);
}

TEST(fork_join_carriers, sleep_when_there_is_nothing_to_do_and_wake_for_the_next) {
  runtime home{{.seats = 1, .compute_carriers = 4}};
  run_in(home, {}, [&] {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(weft::fork_join(fib, 16), 987);
      while (home.computing().asleep != home.computing().carriers) yield();  // would hang if one stayed awake
    }
  });
  EXPECT_GE(home.computing().carriers, 2u);
}

}  // namespace
}  // namespace weft
