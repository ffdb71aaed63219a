#include "tests/support/task_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <weft/parallel/parallel_for.hpp>
#include <weft/parallel/parallel_sort.hpp>
#include <weft/runtime/runtime.hpp>

#include "tests/support/counting_iterator.hpp"

namespace weft {
namespace {

class sorting : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(sorting);

std::vector<int> shuffled(std::size_t count, unsigned seed) {
  std::vector<int> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::ranges::shuffle(numbers, std::minstd_rand{seed});
  return numbers;
}

constexpr std::size_t sizes[] = {0, 1, 2, 3, 24, 25, 63, 127, 128, 129, 130, 1000, 4096, 4097, 20'000, 200'000};

TEST_P(sorting, sorts_any_number_of_elements_in_any_order) {
  run([] {
    for (auto count : sizes) {
      auto expected = shuffled(count, 1);
      std::ranges::sort(expected);
      for (unsigned seed = 1; seed < 4; ++seed) {
        auto numbers = shuffled(count, seed);
        parallel_sort(numbers.begin(), numbers.end());
        ASSERT_EQ(numbers, expected) << count;
        parallel_sort(numbers.begin(), numbers.end(), std::greater<>{});
        ASSERT_TRUE(std::ranges::equal(numbers, std::views::reverse(expected))) << count;
        parallel_stable_sort(numbers.begin(), numbers.end());
        ASSERT_EQ(numbers, expected) << count;
      }
    }
  });
}

TEST_P(sorting, sorts_what_quicksort_is_slow_with) {
  run([] {
    constexpr int count = 100'000;
    auto check = [](auto value) {
      std::vector<int> numbers(count);
      for (int i = 0; i < count; ++i) numbers[static_cast<std::size_t>(i)] = value(i);
      auto expected = numbers;
      std::ranges::sort(expected);
      parallel_sort(numbers.begin(), numbers.end());
      EXPECT_EQ(numbers, expected);
    };
    check([](int) { return 7; });
    check([](int i) { return i % 2; });
    check([](int i) { return i % 17; });
    check([](int i) { return std::min(i, count - i); });
    check([](int i) { return i ^ 1; });
  });
}

TEST_P(sorting, the_stable_sort_keeps_the_order_of_equal_elements) {
  run([] {
    std::minstd_rand random{5};
    std::vector<std::pair<int, int>> pairs(100'000);
    for (int i = 0; auto& each : pairs) each = {static_cast<int>(random() % 100), i++};
    auto expected = pairs;
    auto by_first = [](const auto& a, const auto& b) { return a.first < b.first; };
    std::ranges::stable_sort(expected, by_first);
    parallel_stable_sort(pairs.begin(), pairs.end(), by_first);
    EXPECT_EQ(pairs, expected);
  });
}

TEST_P(sorting, elements_that_own_memory_are_moved) {
  run([] {
    std::vector<std::string> words;
    for (int n : shuffled(20'000, 3)) words.push_back("a word that is longer than what fits " + std::to_string(n));
    auto expected = words;
    std::ranges::sort(expected);
    auto stable = words;
    parallel_sort(words.begin(), words.end());
    EXPECT_EQ(words, expected);
    parallel_stable_sort(stable.begin(), stable.end());
    EXPECT_EQ(stable, expected);
  });
}

/// Sorts with both, and looks whether all elements are there afterwards.
template <class Less>
void keeps_all_elements(Less less, bool throws) {
  for (std::size_t count : {100u, 5'000u, 60'000u}) {
    auto check = [&](auto sort) {
      std::vector<std::string> words;
      for (int n : shuffled(count, 9)) words.push_back("a word that is longer than what fits " + std::to_string(n));
      auto expected = words;
      auto by = less;
      if (throws) {
        EXPECT_THROW(sort(words, by), std::runtime_error);
      } else {
        sort(words, by);
      }
      std::ranges::sort(words);
      std::ranges::sort(expected);
      EXPECT_EQ(words, expected) << count;
    };
    check([](auto& words, auto& by) { parallel_sort(words.begin(), words.end(), std::ref(by)); });
    check([](auto& words, auto& by) { parallel_stable_sort(words.begin(), words.end(), std::ref(by)); });
  }
}

TEST_P(sorting, a_comparison_that_is_no_order_loses_nothing_and_ends) {
  run([] {
    keeps_all_elements([](const std::string&, const std::string&) { return true; }, false);
    keeps_all_elements([](const std::string&, const std::string&) { return false; }, false);
    keeps_all_elements(
        [n = std::make_shared<std::atomic<unsigned>>(1)](const std::string&, const std::string&) {
          auto x = n->fetch_add(1, std::memory_order_relaxed) * 2654435761u;
          return (x >> 16 & 1) != 0;
        },
        false);
  });
}

TEST_P(sorting, a_comparison_that_throws_loses_nothing) {
  run([] {
    for (int calls : {1, 50, 400, 3'000}) {
      struct throwing {
        int calls;
        std::shared_ptr<std::atomic<int>> made = std::make_shared<std::atomic<int>>(0);
        bool operator()(const std::string& a, const std::string& b) {
          if (++*made >= calls) throw std::runtime_error{"compared"};
          return a < b;
        }
      };
      {
        std::vector<std::string> words;
        for (int n : shuffled(60'000, 4)) words.push_back("a word that is longer than what fits " + std::to_string(n));
        auto expected = words;
        std::ranges::sort(expected);
        auto check = [&](auto&& sorted) {
          EXPECT_THROW(sorted(), std::runtime_error);
          auto all = words;
          std::ranges::sort(all);
          EXPECT_EQ(all, expected);
        };
        throwing once{calls}, again{calls * 100};
        check([&] { parallel_sort(words.begin(), words.end(), std::ref(once)); });
        check([&] { parallel_stable_sort(words.begin(), words.end(), std::ref(again)); });
      }
    }
  });
}

/// A sort in one part of a loop, of which another part throws once the comparison has been called `before` times.
/// Returns how often it was called after the loop had stopped.
template <class Less, class Sort>
std::size_t comparisons_after_the_end(std::size_t before, Less less, Sort sort) {
  std::atomic<std::size_t> calls{0}, after{0};
  std::atomic<bool> reached{false}, is_over{false};
  auto compare = [&](const auto& a, const auto& b) {
    if (++calls == before) {
      reached = true;
      for (; !is_over; std::this_thread::yield()) {
        try {
          parallel_for(0, 1, [](std::size_t) {});
        } catch (const std::system_error&) {
          is_over = true;
        }
      }
    }
    if (is_over) ++after;
    return less(a, b);
  };
  EXPECT_THROW(parallel_for(0, 2,
                            [&](std::size_t i) {
                              if (i == 1) sort(compare);
                              reached = reached || i == 1;
                              while (!reached) std::this_thread::yield();
                              throw std::out_of_range{"elsewhere"};
                            }),
               std::out_of_range);
  EXPECT_TRUE(is_over) << "it was sorted before";
  return after;
}

TEST(sorting_of_many, a_stop_is_noticed_in_the_middle_of_a_partition_and_of_a_merge) {
  runtime home{{.seats = 1, .compute_carriers = 2}};
  run_in(home, {}, [] {
    constexpr std::size_t few = 70'000;
    const testing::same_element_iterator first{0}, last{std::size_t{1} << 40};
    auto is_equal = [](const auto&, const auto&) { return false; };
    auto sort = [&](auto& compare) { parallel_sort(first, last, std::ref(compare)); };
    EXPECT_LT(comparisons_after_the_end(100'000, is_equal, sort), few);
    // What is left to when quicksort's pivots are bad.
    auto heap_sort = [&](auto& compare) { detail::heap_sort(first, last, compare, detail::is_stopped); };
    EXPECT_LT(comparisons_after_the_end(100'000, is_equal, heap_sort), few);
    const auto given = shuffled(300'000, 2);
    for (std::size_t before : {100, 1'000'000, 4'000'000}) {  // of some 5,000,000
      auto numbers = given;
      auto stable_sort = [&](auto& compare) {
        parallel_stable_sort(numbers.begin(), numbers.end(), std::ref(compare));
      };
      EXPECT_LT(comparisons_after_the_end(before, std::less<>{}, stable_sort), few);
      std::ranges::sort(numbers);
      EXPECT_TRUE(std::ranges::equal(numbers, std::views::iota(0, 300'000)));
    }
  });
}

TEST_P(sorting, a_sort_of_a_million_million_elements_ends_when_it_is_cancelled_or_the_comparison_throws) {
  run([] {
    const testing::same_element_iterator first{0}, last{std::size_t{1} << 40};
    std::atomic<int> calls{0};
    EXPECT_THROW(parallel_sort(first, last,
                               [&](const auto&, const auto&) {
                                 if (++calls == 1000) throw std::out_of_range{"1000"};
                                 return false;
                               }),
                 std::out_of_range);
    calls = 0;
    auto sorts = spawn([&] { parallel_sort(first, last, [&](const auto&, const auto&) { return ++calls, true; }); });
    while (calls < 1000) yield();
    sorts.cancel();
    EXPECT_THROW(sorts.join(), std::system_error);
  });
}

TEST_P(sorting, sorts_run_inside_loops_and_loops_inside_comparisons) {
  run([] {
    parallel_for(0, 4, [](std::size_t seed) {
      auto expected = shuffled(10'000, 1), numbers = shuffled(10'000, static_cast<unsigned>(seed) + 2);
      std::ranges::sort(expected);
      auto less = [](int a, int b) {
        std::atomic<bool> is_less{false};
        if (a % 1000 == 0)
          parallel_for(0, 2, [&](std::size_t i) {
            if (i == 0) is_less = a < b;
          });
        return a % 1000 == 0 ? is_less.load() : a < b;
      };
      parallel_sort(numbers.begin(), numbers.end(), less);
      EXPECT_EQ(numbers, expected);
      std::ranges::shuffle(numbers, std::minstd_rand{static_cast<unsigned>(seed) + 9});
      parallel_stable_sort(numbers.begin(), numbers.end(), less);
      EXPECT_EQ(numbers, expected);
    });
  });
}

TEST(sorting_of_many, of_what_comparisons_throw_on_several_threads_one_arrives_and_the_rest_are_counted) {
  runtime home{{.seats = 1, .compute_carriers = 2}};
  run_in(home, {}, [&] {
    for (auto stable : {false, true}) {
      auto numbers = shuffled(200'000, 3);
      auto lost = home.computing().exceptions_lost;
      std::atomic<std::uint64_t> calls{0}, inside{0}, thrown{0};
      auto less = [&](int a, int b) {
        // The first partition is one thread's.
        if (++calls < 400'000) return a < b;
        ++inside;
        while (inside < 2) std::this_thread::yield();
        ++thrown;
        throw std::runtime_error{"thrown"};
      };
      if (stable) {
        EXPECT_THROW(parallel_stable_sort(numbers.begin(), numbers.end(), less), std::runtime_error);
      } else {
        EXPECT_THROW(parallel_sort(numbers.begin(), numbers.end(), less), std::runtime_error);
      }
      EXPECT_EQ(thrown.load(), 2u);
      EXPECT_EQ(home.computing().exceptions_lost - lost, 1u);
    }
  });
}

TEST_P(sorting, a_sort_that_is_cancelled_loses_nothing) {
  run([] {
    std::vector<int> numbers = shuffled(100'000, 6);
    auto expected = numbers;
    std::ranges::sort(expected);
    for (auto sort :
         {+[](std::vector<int>& all, std::function<bool(int, int)> by) { parallel_sort(all.begin(), all.end(), by); },
          +[](std::vector<int>& all, std::function<bool(int, int)> by) {
            parallel_stable_sort(all.begin(), all.end(), by);
          }}) {
      std::atomic<bool> begun{false}, cancelled{false};
      auto sorts = spawn([&] {
        sort(numbers, [&](int a, int b) {
          begun = true;
          while (!cancelled) std::this_thread::yield();
          return a < b;
        });
      });
      while (!begun) yield();
      sorts.cancel();
      yield();
      cancelled = true;
      try {
        sorts.join();
      } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), errc::cancelled);
      }
      std::ranges::sort(numbers);
      EXPECT_EQ(numbers, expected);
      std::ranges::shuffle(numbers, std::minstd_rand{8});
    }
  });
}

}  // namespace
}  // namespace weft
