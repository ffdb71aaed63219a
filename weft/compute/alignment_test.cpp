// Whatever asks for more than the usual alignment gets it, wherever weft keeps it.

#include "tests/support/task_fixture.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weft/combine/when_all.hpp>
#include <weft/compute/compute.hpp>
#include <weft/compute/fork_join.hpp>
#include <weft/parallel/invoke_all.hpp>
#include <weft/parallel/parallel_for.hpp>
#include <weft/parallel/parallel_reduce.hpp>
#include <weft/parallel/parallel_sort.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/async_generator.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/generator.hpp>
#include <weft/task/task_local.hpp>

namespace weft {
namespace {

using testing::run_until_parked;

class over_aligned : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(over_aligned);

/// Whether it lies as it ought to. Asked so that no compiler takes it for granted.
template <class T>
[[nodiscard]] bool is_aligned(const T& object) {
  auto address = reinterpret_cast<std::uintptr_t>(&object);
  asm volatile("" : "+r"(address));
  return address % alignof(T) == 0;
}

template <std::size_t Alignment>
struct alignas(Alignment) cell {
  int value = 0;
  friend cell operator+(const cell& left, const cell& right) {
    EXPECT_TRUE(is_aligned(left) && is_aligned(right));
    return {left.value + right.value};
  }
  friend bool operator<(const cell& left, const cell& right) { return left.value < right.value; }
};

/// What is honoured in frames. Clang tells the alignment of a frame only with -fcoro-aligned-allocation.
#if !defined(__clang__) || defined(WEFT_TEST_CORO_ALIGNED_ALLOCATION)
constexpr std::size_t largest_of_frames = 4096;
#else
constexpr std::size_t largest_of_frames = 64;
#endif

/// Calls `f.template operator()<Alignment>()` for alignments that are honoured in frames.
template <class F>
void for_frames(F f) {
  f.template operator()<16>();
  f.template operator()<32>();
  f.template operator()<64>();
  if constexpr (largest_of_frames > 64) {
    f.template operator()<128>();
    f.template operator()<1024>();
    f.template operator()<4096>();
  }
}

/// The same for those that are honoured everywhere else.
template <class F>
void for_all(F f) {
  f.template operator()<64>();
  f.template operator()<256>();
  f.template operator()<4096>();
}

// ---- frames

/// Calls itself, so that frames of other sizes come between.
template <std::size_t Alignment>
task<int> over_a_wait(int depth) {
  std::array<char, 24> first{};
  cell<Alignment> mine{depth};
  first[0] = 1;
  EXPECT_TRUE(is_aligned(mine));
  co_await async_yield();
  int below = 0;
  if (depth > 0) below = co_await over_a_wait<Alignment>(depth - 1);
  EXPECT_TRUE(is_aligned(mine));
  co_return mine.value + below + first[0] - 1;
}

TEST_P(over_aligned, variables_of_tasks_are_aligned_over_waits) {
  run([] {
    for_frames([]<std::size_t Alignment>() {
      std::vector<join_handle<int>> tasks;
      for (int i = 0; i < 40; ++i) tasks.push_back(spawn(over_a_wait<Alignment>(i % 5)));
      for (int i = 0; i < 40; ++i) EXPECT_EQ(tasks[static_cast<std::size_t>(i)].join(), (i % 5) * (i % 5 + 1) / 2);
    });
  });
}

template <std::size_t Alignment, std::size_t Size>
task<int> of_size() {
  std::array<char, Size> before{};
  cell<Alignment> mine{1};
  co_await async_yield();
  EXPECT_TRUE(is_aligned(mine));
  co_return mine.value + before[Size / 2];
}

TEST_P(over_aligned, variables_are_aligned_in_frames_of_any_size) {
  run([] {
    for_frames([]<std::size_t Alignment>() {
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(spawn(of_size<Alignment, 1>()).join(), 1);
        EXPECT_EQ(spawn(of_size<Alignment, 40>()).join(), 1);
        EXPECT_EQ(spawn(of_size<Alignment, 100>()).join(), 1);
        EXPECT_EQ(spawn(of_size<Alignment, 333>()).join(), 1);
        EXPECT_EQ(spawn(of_size<Alignment, 900>()).join(), 1);
        EXPECT_EQ(spawn(of_size<Alignment, 5000>()).join(), 1);
      }
    });
  });
}

template <std::size_t Alignment>
task<cell<Alignment>> result_of() {
  co_await async_yield();
  co_return cell<Alignment>{7};
}

TEST_P(over_aligned, results_of_tasks_are_aligned) {
  run([] {
    for_all([]<std::size_t Alignment>() {
      EXPECT_EQ(spawn(result_of<Alignment>()).join().value, 7);
      EXPECT_EQ(await(result_of<Alignment>()).value, 7);
      auto asking = spawn([]() -> task<int> {
        auto result = co_await result_of<Alignment>();
        EXPECT_TRUE(is_aligned(result) || Alignment > largest_of_frames);
        co_return result.value;
      });
      EXPECT_EQ(asking.join(), 7);
    });
  });
}

template <std::size_t Alignment>
generator<int> generated() {
  cell<Alignment> mine{3};
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(is_aligned(mine));
    co_yield mine.value;
  }
}

template <std::size_t Alignment>
async_generator<int> generated_with_waits() {
  cell<Alignment> mine{3};
  for (int i = 0; i < 3; ++i) {
    co_await async_yield();
    EXPECT_TRUE(is_aligned(mine));
    co_yield mine.value;
  }
}

TEST_P(over_aligned, variables_of_generators_are_aligned) {
  run([] {
    for_frames([]<std::size_t Alignment>() {
      int sum = 0;
      for (int each : generated<Alignment>()) sum += each;
      EXPECT_EQ(sum, 9);
      auto waiting = generated_with_waits<Alignment>();
      while (auto* each = waiting.next()) sum += *each;
      EXPECT_EQ(sum, 18);
      auto asking = spawn([]() -> task<int> {
        auto all = generated_with_waits<Alignment>();
        int of_all = 0;
        while (auto* each = co_await all.async_next()) of_all += *each;
        co_return of_all;
      });
      EXPECT_EQ(asking.join(), 9);
    });
  });
}

/// A tree of frames; with another alignment at each second level.
template <std::size_t Alignment, std::size_t Other>
parallel_task<int> tree(int depth) {
  cell<Alignment> mine{1};
  EXPECT_TRUE(is_aligned(mine));
  if (depth == 0) co_return mine.value;
  int left = 0;
  co_await fork<tree<Other, Alignment>>(left, depth - 1);
  const int right = co_await call<tree<Other, Alignment>>(depth - 1);
  EXPECT_TRUE(is_aligned(mine));
  co_await join();
  EXPECT_TRUE(is_aligned(mine));
  co_return mine.value + left + right;
}

/// So deep that its frames lie in many segments.
template <std::size_t Alignment>
parallel_task<int> chain(int depth) {
  cell<Alignment> mine{1};
  EXPECT_TRUE(is_aligned(mine));
  const int below = depth == 0 ? 0 : co_await call<chain<Alignment>>(depth - 1);
  EXPECT_TRUE(is_aligned(mine));
  co_return mine.value + below;
}

template <std::size_t Alignment>
parallel_task<cell<Alignment>> parallel_result(int depth) {
  if (depth == 0) co_return cell<Alignment>{1};
  cell<Alignment> left;
  co_await fork<parallel_result<Alignment>>(left, depth - 1);
  auto right = co_await call<parallel_result<Alignment>>(depth - 1);
  co_await join();
  co_return left + right;
}

TEST_P(over_aligned, variables_of_fork_join_frames_are_aligned) {
  run([] {
    for_frames([]<std::size_t Alignment>() {
      for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(weft::fork_join(tree<Alignment, 16>, 9), 1023);
        EXPECT_EQ(weft::fork_join(tree<Alignment, 64>, 9), 1023);
        EXPECT_EQ(weft::fork_join(chain<Alignment>, 500), 501);
        EXPECT_EQ(weft::fork_join(parallel_result<Alignment>, 7).value, 128);
      }
    });
  });
}

// ---- callables, results and values

TEST_P(over_aligned, callables_and_results_of_virtual_threads_are_aligned) {
  run([] {
    for_all([]<std::size_t Alignment>() {
      cell<Alignment> mine{5};
      auto called = [mine] {
        EXPECT_TRUE(is_aligned(mine));
        cell<Alignment> local{mine.value};
        yield();
        EXPECT_TRUE(is_aligned(local) && is_aligned(mine));
        return local;
      };
      EXPECT_EQ(spawn(called).join().value, 5);
      EXPECT_EQ(compute(called).value, 5);
      EXPECT_EQ(try_compute(called)->value, 5);
      EXPECT_EQ(blocking(called).value, 5);
      int sum = 0;
      invoke_all([&sum, mine] { sum += is_aligned(mine) ? mine.value : -100; });
      EXPECT_EQ(sum, 5);
    });
  });
}

TEST_P(over_aligned, callables_and_results_of_coroutines_are_aligned) {
  run([] {
    for_frames([]<std::size_t Alignment>() {
      cell<Alignment> mine{5};
      auto called = [mine] {
        EXPECT_TRUE(is_aligned(mine));
        return mine;
      };
      auto asking = spawn([mine, called]() -> task<int> {
        EXPECT_TRUE(is_aligned(mine));
        auto computed = co_await async_compute(called);
        auto tried = co_await async_try_compute(called);
        auto blocked = co_await async_blocking(called);
        EXPECT_TRUE(is_aligned(mine) && is_aligned(computed) && is_aligned(blocked));
        co_return computed.value + tried->value + blocked.value;
      });
      EXPECT_EQ(asking.join(), 15);
    });
  });
}

TEST_P(over_aligned, values_of_channels_are_aligned) {
  run([] {
    for_all([]<std::size_t Alignment>() {
      for (std::size_t capacity : {std::size_t{0}, std::size_t{3}, unbounded}) {
        channel<cell<Alignment>> values{capacity};
        auto sender = spawn([&] {
          for (int i = 1; i <= 10; ++i) EXPECT_TRUE(values.send(cell<Alignment>{i}));
          values.close();
        });
        int sum = 0;
        while (auto value = values.recv()) sum += is_aligned(*value) ? value->value : -100;
        EXPECT_EQ(sum, 55);
        sender.join();
      }
    });
  });
}

TEST_P(over_aligned, values_of_when_all_are_aligned) {
  run([] {
    for_frames([]<std::size_t Alignment>() {
      channel<cell<Alignment>> left{1}, right{1};
      EXPECT_TRUE(left.send(cell<Alignment>{1}) && right.send(cell<Alignment>{2}));
      auto both = await(when_all(left.async_recv(), right.async_recv()));
      EXPECT_TRUE(is_aligned(*std::get<0>(both)) && is_aligned(*std::get<1>(both)));
      auto asking = spawn([&]() -> task<int> {
        auto received = co_await when_all(left.async_recv(), right.async_recv());
        EXPECT_TRUE(is_aligned(*std::get<0>(received)));
        co_return std::get<0>(received)->value + std::get<1>(received)->value;
      });
      EXPECT_TRUE(left.send(cell<Alignment>{1}) && right.send(cell<Alignment>{2}));
      EXPECT_EQ(asking.join(), 3);
    });
  });
}

template <std::size_t Alignment>
task_local<cell<Alignment>> of_task;

TEST_P(over_aligned, values_of_task_locals_are_aligned) {
  run([] {
    for_all([]<std::size_t Alignment>() {
      std::vector<join_handle<bool>> tasks;
      for (int i = 0; i < 20; ++i) {
        tasks.push_back(spawn([i] {
          typename task_local<cell<Alignment>>::binding bound{of_task<Alignment>, cell<Alignment>{i}};
          yield();
          const auto& mine = of_task<Alignment>.get();
          return is_aligned(mine) && mine.value == i;
        }));
      }
      for (auto& each : tasks) EXPECT_TRUE(each.join());
    });
  });
}

TEST_P(over_aligned, elements_of_the_algorithms_are_aligned) {
  run([] {
    for_frames([]<std::size_t Alignment>() {
      constexpr int count = 2000;
      std::vector<cell<Alignment>> cells(count), sums(count);
      parallel_for(0, count, [&, some = cell<Alignment>{1}](int i) {
        cells[static_cast<std::size_t>(i)].value = is_aligned(some) ? count - i : 0;
      });
      EXPECT_EQ(parallel_reduce(cells.begin(), cells.end(), cell<Alignment>{}).value, count * (count + 1) / 2);
      parallel_scan(cells.begin(), cells.end(), sums.begin());
      EXPECT_EQ(sums.back().value, count * (count + 1) / 2);
      parallel_sort(cells.begin(), cells.end());
      EXPECT_EQ(cells.front().value, 1);
      parallel_stable_sort(cells.rbegin(), cells.rend());
      EXPECT_EQ(cells.front().value, count);
    });
  });
}

}  // namespace
}  // namespace weft
