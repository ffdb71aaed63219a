#include "tests/support/task_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <weft/compute/compute.hpp>
#include <weft/parallel/parallel_for.hpp>
#include <weft/parallel/parallel_pipeline.hpp>
#include <weft/parallel/parallel_reduce.hpp>
#include <weft/parallel/parallel_sort.hpp>
#include <weft/runtime/runtime.hpp>

namespace weft {
namespace {

class algorithms : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(algorithms);

TEST_P(algorithms, parallel_for_calls_each_index_exactly_once_with_any_grain) {
  run([] {
    for (std::size_t grain : {0u, 1u, 7u, 1'000'000u}) {
      for (std::size_t count : {0u, 1u, 2u, 7u, 1000u, 100'000u}) {
        std::vector<std::atomic<int>> calls(count);
        parallel_for(0, count, [&](std::size_t i) { calls[i].fetch_add(1, std::memory_order_relaxed); },
                     {.grain = grain});
        for (auto& each : calls) ASSERT_EQ(each.load(), 1);
      }
    }
  });
}

TEST_P(algorithms, a_range_that_ends_before_it_begins_is_empty) {
  run([] { parallel_for(5, 3, [](std::size_t) { ADD_FAILURE(); }); });
}

/// Calls each index of [first, last) once, and no other.
template <class First, class Last>
void expect_each_once(First first, Last last) {
  using index = std::common_type_t<First, Last>;
  std::vector<std::atomic<int>> calls(static_cast<std::size_t>(last) - static_cast<std::size_t>(first));
  std::atomic<int> others{0};
  parallel_for(first, last, [&](index i) {
    const auto number = static_cast<std::size_t>(i) - static_cast<std::size_t>(first);
    ++(number < calls.size() ? calls[number] : others);
  });
  for (auto& each : calls) ASSERT_EQ(each.load(), 1);
  EXPECT_EQ(others, 0);
}

TEST_P(algorithms, parallel_for_takes_indices_of_any_type_negative_ones_too) {
  run([] {
    expect_each_once(-5, 5);
    expect_each_once(-1000, -1);
    expect_each_once(-5L, 5);
    expect_each_once(0, std::size_t{100});
    expect_each_once(3u, 100);
    expect_each_once(3u, 100L);
    expect_each_once(std::int8_t{-128}, std::int8_t{127});
    expect_each_once(std::uint8_t{0}, std::uint8_t{255});
    constexpr auto least = std::numeric_limits<std::int64_t>::min(), most = std::numeric_limits<std::int64_t>::max();
    expect_each_once(least, least + 100);
    expect_each_once(most - 100, most);
    expect_each_once(std::numeric_limits<int>::min(), std::numeric_limits<int>::min() + 100);
    std::atomic<std::int64_t> sum{0};
    parallel_for(-5, 5, [&](auto i) {
      static_assert(std::is_same_v<decltype(i), int>);
      sum += i;
    });
    EXPECT_EQ(sum, -5);
  });
}

TEST_P(algorithms, parallel_for_stops_early_in_the_widest_range_there_is) {
  run([] {
    constexpr auto least = std::numeric_limits<std::int64_t>::min(), most = std::numeric_limits<std::int64_t>::max();
    std::atomic<std::int64_t> first{0};
    EXPECT_THROW(parallel_for(least, most,
                              [&](std::int64_t i) {
                                first = i;
                                throw std::runtime_error{"enough"};
                              }),
                 std::runtime_error);
    EXPECT_NE(first, 0);
  });
}

TEST_P(algorithms, a_range_of_signed_indices_that_ends_before_it_begins_is_empty) {
  run([] {
    parallel_for(5, -5, [](int) { ADD_FAILURE(); });
    parallel_for(-5, -6, [](int) { ADD_FAILURE(); });
    parallel_for_2d({5, 3}, {0, 10}, [](index_range, index_range) { ADD_FAILURE(); });
  });
}

TEST(algorithms_deathtest, name_a_bound_that_its_type_cannot_hold) {
  const int negative = -5;
  EXPECT_DEATH(parallel_for(negative, std::size_t{5}, [](std::size_t) {}), "give both the same signed type");
  EXPECT_DEATH(parallel_for_2d({negative, 5}, {0, 5}, [](index_range, index_range) {}),
               "give both the same signed type");
  std::vector<int> numbers(10);
  const auto first = numbers.begin(), last = numbers.end();
  EXPECT_DEATH(parallel_for_each(last, first, [](int&) {}), "does not end before it begins");
  EXPECT_DEATH(parallel_transform(last, first, first, [](int i) { return i; }), "does not end before it begins");
  EXPECT_DEATH(static_cast<void>(parallel_reduce(last, first)), "does not end before it begins");
  EXPECT_DEATH(parallel_scan(last, first, first), "does not end before it begins");
  EXPECT_DEATH(parallel_sort(last, first), "does not end before it begins");
  EXPECT_DEATH(parallel_stable_sort(last, first), "does not end before it begins");
}

TEST_P(algorithms, parallel_for_2d_covers_each_cell_once) {
  run([] {
    constexpr std::size_t rows = 130, columns = 75;
    std::vector<std::atomic<int>> calls(rows * columns);
    parallel_for_2d({0, rows}, {0, columns},
                    [&](index_range some_rows, index_range some_columns) {
                      EXPECT_LE(some_rows.size(), 32u);
                      for (auto y = some_rows.first; y != some_rows.last; ++y) {
                        for (auto x = some_columns.first; x != some_columns.last; ++x) ++calls[y * columns + x];
                      }
                    },
                    {.rows = 32, .columns = 20});
    for (auto& each : calls) ASSERT_EQ(each.load(), 1);
    parallel_for_2d({0, 0}, {0, 5}, [](index_range, index_range) { ADD_FAILURE(); });
  });
}

TEST_P(algorithms, one_of_many_exceptions_arrives_and_nothing_is_left_running) {
  run([] {
    std::atomic<int> running{0};
    EXPECT_THROW(parallel_for(0, 100'000,
                              [&](std::size_t i) {
                                running.fetch_add(1);
                                struct leave {
                                  std::atomic<int>& count;
                                  ~leave() { count.fetch_sub(1); }
                                } guard{running};
                                if (i % 100 == 7) throw std::out_of_range{"seven"};
                              }),
                 std::out_of_range);
    EXPECT_EQ(running.load(), 0);
  });
}

TEST_P(algorithms, loops_nest_and_run_inside_compute) {
  run([] {
    std::atomic<int> sum{0};
    compute([&] { parallel_for(0, 10, [&](std::size_t) { parallel_for(0, 10, [&](std::size_t) { ++sum; }); }); });
    EXPECT_EQ(sum.load(), 100);
  });
}

TEST_P(algorithms, many_tasks_loop_at_once) {
  run([] {
    std::atomic<int> sum{0};
    {
      scope all;
      for (int task = 0; task < 50; ++task) all.spawn([&] { parallel_for(0, 100, [&](std::size_t) { ++sum; }); });
    }
    EXPECT_EQ(sum.load(), 5000);
  });
}

TEST_P(algorithms, for_each_and_transform_are_those_of_the_standard) {
  run([] {
    std::vector<int> numbers(10'000);
    std::iota(numbers.begin(), numbers.end(), 0);
    parallel_for_each(numbers.begin(), numbers.end(), [](int& each) { each *= 2; });
    std::vector<long> squares(numbers.size());
    auto end = parallel_transform(numbers.begin(), numbers.end(), squares.begin(), [](int n) { return long{n} * n; });
    EXPECT_EQ(end, squares.end());
    parallel_transform(squares.begin(), squares.end(), numbers.begin(), squares.begin(),
                       [](long square, int n) { return square + n; });
    for (std::size_t i = 0; i < squares.size(); ++i) {
      auto n = static_cast<long>(i);
      ASSERT_EQ(squares[i], 4 * n * n + 2 * n);
    }
  });
}

/// Throws when it is read at one place.
class throwing_iterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = int;
  using reference = int;
  using pointer = const int*;
  using iterator_category = std::random_access_iterator_tag;

  throwing_iterator() = default;
  explicit throwing_iterator(std::ptrdiff_t at, std::ptrdiff_t throws_at) : at_{at}, throws_at_{throws_at} {}
  int operator*() const {
    if (at_ == throws_at_) throw std::runtime_error{"read"};
    return 1;
  }
  int operator[](std::ptrdiff_t by) const { return *(*this + by); }
  throwing_iterator& operator+=(std::ptrdiff_t by) { return at_ += by, *this; }
  throwing_iterator& operator-=(std::ptrdiff_t by) { return at_ -= by, *this; }
  throwing_iterator& operator++() { return *this += 1; }
  throwing_iterator& operator--() { return *this -= 1; }
  throwing_iterator operator++(int) { return std::exchange(*this, *this + 1); }
  throwing_iterator operator--(int) { return std::exchange(*this, *this - 1); }
  friend throwing_iterator operator+(throwing_iterator i, std::ptrdiff_t by) { return i += by; }
  friend throwing_iterator operator+(std::ptrdiff_t by, throwing_iterator i) { return i += by; }
  friend throwing_iterator operator-(throwing_iterator i, std::ptrdiff_t by) { return i -= by; }
  friend std::ptrdiff_t operator-(const throwing_iterator& a, const throwing_iterator& b) { return a.at_ - b.at_; }
  friend bool operator==(const throwing_iterator& a, const throwing_iterator& b) { return a.at_ == b.at_; }
  friend auto operator<=>(const throwing_iterator& a, const throwing_iterator& b) { return a.at_ <=> b.at_; }

 private:
  std::ptrdiff_t at_ = 0, throws_at_ = 0;
};

TEST_P(algorithms, what_an_iterator_throws_arrives) {
  run([] {
    throwing_iterator first{0, 9'000}, last{10'000, 9'000};
    EXPECT_THROW(parallel_for_each(first, last, [](int) {}), std::runtime_error);
    EXPECT_THROW(static_cast<void>(parallel_reduce(first, last, 0)), std::runtime_error);
    std::vector<int> out(10'000);
    EXPECT_THROW(parallel_scan(first, last, out.begin()), std::runtime_error);
  });
}

TEST_P(algorithms, reduce_is_the_sum_and_keeps_the_order_of_what_is_no_number) {
  run([] {
    for (std::size_t count : {0u, 1u, 31u, 32u, 33u, 100'000u}) {
      std::vector<std::uint64_t> numbers(count);
      std::iota(numbers.begin(), numbers.end(), 1);
      auto expected = 7 + count * (count + 1) / 2;
      EXPECT_EQ(parallel_reduce(numbers.begin(), numbers.end(), std::uint64_t{7}), expected);
      EXPECT_EQ(parallel_reduce(numbers.begin(), numbers.end()), expected - 7);
      EXPECT_EQ(parallel_reduce(numbers.begin(), numbers.end(), {.order = reduce_order::deterministic}), expected - 7);
      EXPECT_EQ(parallel_reduce(numbers.begin(), numbers.end(), std::uint64_t{7}, std::plus<>{},
                                {.order = reduce_order::deterministic}),
                expected);
    }
    std::vector<std::string> words;
    for (int i = 0; i < 5'000; ++i) words.push_back(std::to_string(i) + ' ');
    auto all = std::accumulate(words.begin(), words.end(), std::string{"> "});
    EXPECT_EQ(parallel_reduce(words.begin(), words.end(), std::string{"> "}), all);
  });
}

TEST(algorithms_on_any_machine, a_deterministic_reduction_gives_the_same_bits_with_any_number_of_carriers) {
  std::vector<double> numbers(300'000);
  std::minstd_rand random{1};
  for (auto& each : numbers) each = 1.0 / static_cast<double>(random());
  auto with = [&](std::size_t carriers) {
    runtime home{{.seats = 1, .compute_carriers = carriers}};
    return run_in(home, {}, [&] {
      return parallel_reduce(numbers.begin(), numbers.end(), 0.0, std::plus<>{},
                             {.order = reduce_order::deterministic});
    });
  };
  auto once = with(1);
  for (std::size_t carriers : {1u, 2u, 3u}) EXPECT_EQ(with(carriers), once);
}

TEST_P(algorithms, a_reduction_throws_what_its_operation_throws) {
  run([] {
    std::vector<std::string> words(10'000, "w");
    auto fails = [](std::string a, const std::string&) -> std::string {
      if (a.size() > 100'000) return a;
      throw std::length_error{a};
    };
    EXPECT_THROW(static_cast<void>(parallel_reduce(words.begin(), words.end(), std::string{}, fails)),
                 std::length_error);
  });
}

TEST_P(algorithms, scan_is_the_standards_inclusive_and_exclusive_scan) {
  run([] {
    for (std::size_t count : {0u, 1u, 2u, 5'000u, 100'000u}) {
      std::vector<std::uint64_t> numbers(count), expected(count), found(count);
      std::iota(numbers.begin(), numbers.end(), 3);
      std::inclusive_scan(numbers.begin(), numbers.end(), expected.begin());
      EXPECT_EQ(parallel_scan(numbers.begin(), numbers.end(), found.begin()), found.end());
      EXPECT_EQ(found, expected);
      std::exclusive_scan(numbers.begin(), numbers.end(), expected.begin(), std::uint64_t{10});
      parallel_scan(scan_kind::exclusive, numbers.begin(), numbers.end(), found.begin(), std::uint64_t{10},
                    std::plus<>{}, {.grain = 777});
      EXPECT_EQ(found, expected);
      parallel_scan(numbers.begin(), numbers.end(), numbers.begin());  // in place
      for (auto& each : expected) each -= 10;
      if (count > 1) {
        EXPECT_EQ(numbers[count - 2], expected[count - 1]);
      }
    }
  });
}

TEST_P(algorithms, a_pipeline_keeps_the_order_and_the_bound) {
  run([] {
    constexpr int count = 2'000;
    constexpr std::size_t most = 5;
    std::atomic<int> in_flight{0}, most_seen{0};
    std::vector<int> written;
    parallel_pipeline(
        {.most_in_flight = most},
        [&, next = 0]() mutable -> std::optional<int> {
          if (next == count) return std::nullopt;
          auto now = ++in_flight;
          if (now > most_seen) most_seen = now;
          return next++;
        },
        unordered([](int n) { return std::to_string(n); }), unordered([](std::string text) { return std::stoi(text); }),
        ordered([&](int n) {
          written.push_back(n);
          --in_flight;
        }));
    ASSERT_EQ(written.size(), std::size_t{count});
    EXPECT_TRUE(std::ranges::is_sorted(written));
    EXPECT_LE(most_seen.load(), static_cast<int>(most));
  });
}

TEST_P(algorithms, a_pipeline_throws_what_a_stage_or_the_source_threw) {
  run([] {
    auto count_to = [](int end) {
      return [end, next = 0]() mutable { return next == end ? std::optional<int>{} : std::optional{next++}; };
    };
    EXPECT_THROW(parallel_pipeline({}, count_to(1000),
                                   unordered([](int n) { return n == 500 ? throw std::runtime_error{"500"} : n; }),
                                   ordered([](int) {})),
                 std::runtime_error);
    EXPECT_THROW(parallel_pipeline(
                     {}, []() -> std::optional<int> { throw std::runtime_error{"source"}; }, ordered([](int) {})),
                 std::runtime_error);
    parallel_pipeline({}, count_to(0), ordered([](int) { ADD_FAILURE(); }));
  });
}

}  // namespace
}  // namespace weft
