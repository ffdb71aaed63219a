// oneTBB: the workloads of bench/parallel, as its manual writes such programs.

#include <oneapi/tbb/blocked_range2d.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_invoke.h>
#include <oneapi/tbb/parallel_reduce.h>
#include <oneapi/tbb/parallel_sort.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <functional>

#include "workloads.hpp"

namespace weft_bench {
namespace {

template <class... F>
void run_and_weigh(benchmark::State& state, const char* name, F... work) {
  oneapi::tbb::global_control threads{oneapi::tbb::global_control::max_allowed_parallelism, threads_wanted()};
  oneapi::tbb::task_arena arena{static_cast<int>(threads_wanted())};
  arena.execute([&] { time_and_weigh(state, name, work...); });
}

int fib(int n) {
  if (n < 2) return n;
  int a = 0, b = 0;
  oneapi::tbb::task_group group;
  group.run([&a, n] { a = fib(n - 1); });
  b = fib(n - 2);
  group.wait();
  return a + b;
}

void fib_38(benchmark::State& state) {
  run_and_weigh(state, "fib_38", [] { WEFT_CHECK(fib(fib_of) == fib_result, "fib is wrong"); });
}
WEFT_WORKLOAD(fib_38);

std::int64_t skynet(std::int64_t first, std::int64_t count) {
  if (count == 1) return first;
  std::array<std::int64_t, skynet_children> sums;
  const auto part = count / skynet_children;
  oneapi::tbb::task_group group;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    group.run([&sums, i, first, part] { sums[i] = skynet(first + static_cast<std::int64_t>(i) * part, part); });
  }
  group.wait();
  std::int64_t sum = 0;
  for (auto each : sums) sum += each;
  return sum;
}

void skynet_100m(benchmark::State& state) {
  run_and_weigh(state, "skynet_100m",
                [] { WEFT_CHECK(skynet(0, skynet_leaves) == skynet_result, "skynet has lost a leaf"); });
}
WEFT_WORKLOAD(skynet_100m);

int place_queens(board placed, int row) {
  if (row == queens) return 1;
  std::array<int, queens> counts;
  std::size_t fit = 0;
  oneapi::tbb::task_group group;
  for (int column = 0; column < queens; ++column) {
    if (!queen_fits(placed, row, column)) continue;
    placed[static_cast<std::size_t>(row)] = static_cast<std::int8_t>(column);
    group.run([&count = counts[fit++], placed, row] { count = place_queens(placed, row + 1); });
  }
  group.wait();
  int sum = 0;
  for (std::size_t i = 0; i < fit; ++i) sum += counts[i];
  return sum;
}

void nqueens_14(benchmark::State& state) {
  run_and_weigh(state, "nqueens_14", [] { WEFT_CHECK(place_queens(board{}, 0) == queens_result, "a queen is lost"); });
}
WEFT_WORKLOAD(nqueens_14);

void multiply(matmul_part part, std::size_t side) {
  if (side == matmul_block) return multiply_block(part);
  const auto half = side / 2;
  for (std::size_t k = 0; k < 2; ++k) {
    auto product = [=](std::size_t row, std::size_t column) {
      return [=] { multiply(part.quarter(half, row, column, k), half); };
    };
    oneapi::tbb::parallel_invoke(product(0, 0), product(0, 1), product(1, 0), product(1, 1));
  }
}

void matmul_1024(benchmark::State& state) {
  matrices all;
  run_and_weigh(
      state, "matmul_1024", [&] { std::ranges::fill(all.c, 0.0F); },
      [&] { multiply({all.a.data(), all.b.data(), all.c.data()}, matmul_side); });
  WEFT_CHECK(all.is_right(), "a product is wrong");
}
WEFT_WORKLOAD(matmul_1024);

std::int64_t count_nodes(uts_node node) {
  std::array<std::int64_t, uts_widest> counts{};
  const auto children = static_cast<std::size_t>(node.children());
  oneapi::tbb::task_group group;
  for (std::size_t i = 0; i < children; ++i) {
    group.run([&counts, i, child = node.child(static_cast<int>(i))] { counts[i] = count_nodes(child); });
  }
  group.wait();
  std::int64_t sum = 1;
  for (auto each : counts) sum += each;
  return sum;
}

void uts(benchmark::State& state) {
  run_and_weigh(state, "uts", [] { benchmark::DoNotOptimize(count_nodes(uts_node{})); });
}
WEFT_WORKLOAD(uts);

double integral(trapezium whole) {
  const auto left = whole.left(), right = whole.right();
  if (whole.is_precise(left, right)) return left.area + right.area;
  double a = 0, b = 0;
  oneapi::tbb::task_group group;
  group.run([&a, left] { a = integral(left); });
  b = integral(right);
  group.wait();
  return a + b;
}

void integrate(benchmark::State& state) {
  run_and_weigh(state, "integrate", [] { benchmark::DoNotOptimize(integral(whole_integral())); });
}
WEFT_WORKLOAD(integrate);

void sort_10m(benchmark::State& state) {
  const auto given = random_numbers();
  auto numbers = given;
  run_and_weigh(
      state, "sort_10m", [&] { numbers = given; }, [&] { oneapi::tbb::parallel_sort(numbers.begin(), numbers.end()); });
}
WEFT_WORKLOAD(sort_10m);

void reduce_20m(benchmark::State& state) {
  const auto numbers = addends();
  run_and_weigh(state, "reduce_20m", [&] {
    using range = oneapi::tbb::blocked_range<std::size_t>;
    auto add = [&](const range& part, double sum) {
      for (auto i = part.begin(); i != part.end(); ++i) sum += numbers[i];
      return sum;
    };
    benchmark::DoNotOptimize(oneapi::tbb::parallel_reduce(range{0, numbers.size()}, 0.0, add, std::plus<>{}));
  });
}
WEFT_WORKLOAD(reduce_20m);

void mandelbrot(benchmark::State& state) {
  std::vector<int> pixels(mandelbrot_side * mandelbrot_side);
  run_and_weigh(state, "mandelbrot", [&] {
    oneapi::tbb::parallel_for(oneapi::tbb::blocked_range2d<std::size_t>{0, mandelbrot_side, 0, mandelbrot_side},
                              [&](const auto& part) {
                                for (auto y = part.rows().begin(); y != part.rows().end(); ++y) {
                                  for (auto x = part.cols().begin(); x != part.cols().end(); ++x) {
                                    pixels[y * mandelbrot_side + x] = mandelbrot_pixel(x, y);
                                  }
                                }
                              });
  });
}
WEFT_WORKLOAD(mandelbrot);

}  // namespace
}  // namespace weft_bench
