// The workloads of bench/parallel as plain functions on one thread.

#include <numeric>

#include "workloads.hpp"

namespace weft_bench {
namespace {

/// A value that the compiler does not know: it would compute a pure function of what it knows once, before the clock
/// starts.
template <class T>
[[nodiscard]] T unknown(T value) {
  benchmark::DoNotOptimize(value);
  return value;
}

[[gnu::noinline]] int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

void fib_38(benchmark::State& state) {
  time_and_weigh(state, "fib_38", [] { WEFT_CHECK(fib(unknown(fib_of)) == fib_result, "fib is wrong"); });
}
WEFT_WORKLOAD(fib_38);

[[gnu::noinline]] std::int64_t skynet(std::int64_t first, std::int64_t count) {
  if (count == 1) return first;
  std::int64_t sum = 0;
  const auto part = count / skynet_children;
  for (std::int64_t i = 0; i < skynet_children; ++i) sum += skynet(first + i * part, part);
  return sum;
}

void skynet_100m(benchmark::State& state) {
  time_and_weigh(state, "skynet_100m",
                 [] { WEFT_CHECK(skynet(0, unknown(skynet_leaves)) == skynet_result, "skynet has lost a leaf"); });
}
WEFT_WORKLOAD(skynet_100m);

int place_queens(board& placed, int row) {
  if (row == queens) return 1;
  int sum = 0;
  for (int column = 0; column < queens; ++column) {
    if (!queen_fits(placed, row, column)) continue;
    placed[static_cast<std::size_t>(row)] = static_cast<std::int8_t>(column);
    sum += place_queens(placed, row + 1);
  }
  return sum;
}

void nqueens_14(benchmark::State& state) {
  time_and_weigh(state, "nqueens_14", [] {
    board placed{};
    WEFT_CHECK(place_queens(placed, 0) == queens_result, "a queen is lost");
  });
}
WEFT_WORKLOAD(nqueens_14);

void multiply(matmul_part part, std::size_t side) {
  if (side == matmul_block) return multiply_block(part);
  const auto half = side / 2;
  for (std::size_t product = 0; product < 8; ++product) {
    multiply(part.quarter(half, product / 2 % 2, product % 2, product / 4), half);
  }
}

void matmul_1024(benchmark::State& state) {
  matrices all;
  time_and_weigh(
      state, "matmul_1024", [&] { std::ranges::fill(all.c, 0.0F); },
      [&] { multiply({all.a.data(), all.b.data(), all.c.data()}, matmul_side); });
  WEFT_CHECK(all.is_right(), "a product is wrong");
}
WEFT_WORKLOAD(matmul_1024);

std::int64_t count_nodes(uts_node node) {
  std::int64_t sum = 1;
  for (int i = 0, children = node.children(); i < children; ++i) sum += count_nodes(node.child(i));
  return sum;
}

void uts(benchmark::State& state) {
  time_and_weigh(state, "uts", [] { benchmark::DoNotOptimize(count_nodes(unknown(uts_node{}))); });
}
WEFT_WORKLOAD(uts);

double integral(trapezium whole) {
  const auto left = whole.left(), right = whole.right();
  if (whole.is_precise(left, right)) return left.area + right.area;
  return integral(left) + integral(right);
}

void integrate(benchmark::State& state) {
  time_and_weigh(state, "integrate", [] { benchmark::DoNotOptimize(integral(unknown(whole_integral()))); });
}
WEFT_WORKLOAD(integrate);

void sort_10m(benchmark::State& state) {
  const auto given = random_numbers();
  auto numbers = given;
  time_and_weigh(state, "sort_10m", [&] { numbers = given; }, [&] { std::ranges::sort(numbers); });
}
WEFT_WORKLOAD(sort_10m);

void stable_sort_10m(benchmark::State& state) {
  const auto given = random_numbers();
  auto numbers = given;
  time_and_weigh(state, "stable_sort_10m", [&] { numbers = given; }, [&] { std::ranges::stable_sort(numbers); });
}
WEFT_WORKLOAD(stable_sort_10m);

void reduce_20m(benchmark::State& state) {
  const auto numbers = addends();
  time_and_weigh(state, "reduce_20m",
                 [&] { benchmark::DoNotOptimize(std::reduce(numbers.begin(), numbers.end(), 0.0)); });
}
WEFT_WORKLOAD(reduce_20m);

void mandelbrot(benchmark::State& state) {
  std::vector<int> pixels(mandelbrot_side * mandelbrot_side);
  time_and_weigh(state, "mandelbrot", [&] {
    for (std::size_t y = 0; y < mandelbrot_side; ++y) {
      for (std::size_t x = 0; x < mandelbrot_side; ++x) pixels[y * mandelbrot_side + x] = mandelbrot_pixel(x, y);
    }
  });
}
WEFT_WORKLOAD(mandelbrot);

}  // namespace
}  // namespace weft_bench
