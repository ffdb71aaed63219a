// Recursive fork-join and the parallel algorithms, on as many compute carriers as WEFT_BENCH_THREADS says, or 2. The
// peers compute the same: bench/peers/onetbb, bench/peers/sequential.

#include <weft/compute/fork_join.hpp>
#include <weft/parallel/parallel_for.hpp>
#include <weft/parallel/parallel_reduce.hpp>
#include <weft/parallel/parallel_sort.hpp>

#include "workloads.hpp"

namespace weft_bench {
namespace {

using weft::call, weft::fork, weft::fork_join, weft::join, weft::parallel_task;

template <class... F>
void run_and_weigh(benchmark::State& state, const char* name, F... work) {
  weft::run({.seats = 1, .compute_carriers = threads_wanted()}, [&] { time_and_weigh(state, name, work...); });
}

parallel_task<int> fib(int n) {
  if (n < 2) co_return n;
  int a = 0;
  co_await fork<fib>(a, n - 1);
  const int b = co_await call<fib>(n - 2);
  co_await join();
  co_return a + b;
}

void fib_38(benchmark::State& state) {
  run_and_weigh(state, "fib_38", [] { WEFT_CHECK(fork_join(fib, fib_of) == fib_result, "fib is wrong"); });
}
WEFT_WORKLOAD(fib_38);

/// What a fork costs, together with the call beside it.
void fork_ns(benchmark::State& state) {
  weft::run({.seats = 1, .compute_carriers = 1}, [&] {
    constexpr int n = 30;
    constexpr double calls = 2'692'537, forks = calls / 2;
    fork_join(fib, n);
    for (auto _ : state) state.SetIterationTime(seconds_of([&] { fork_join(fib, n); }) / forks);
  });
}
BENCHMARK(fork_ns)->UseManualTime()->Iterations(5)->Unit(benchmark::kNanosecond);

parallel_task<std::int64_t> skynet(std::int64_t first, std::int64_t count) {
  if (count == 1) co_return first;
  std::array<std::int64_t, skynet_children> sums;
  const auto part = count / skynet_children;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    co_await fork<skynet>(sums[i], first + static_cast<std::int64_t>(i) * part, part);
  }
  co_await join();
  std::int64_t sum = 0;
  for (auto each : sums) sum += each;
  co_return sum;
}

void skynet_100m(benchmark::State& state) {
  run_and_weigh(state, "skynet_100m", [] {
    WEFT_CHECK(fork_join(skynet, std::int64_t{0}, skynet_leaves) == skynet_result, "skynet has lost a leaf");
  });
}
WEFT_WORKLOAD(skynet_100m);

parallel_task<int> place_queens(board placed, int row) {
  if (row == queens) co_return 1;
  std::array<int, queens> counts;
  std::size_t fit = 0;
  for (int column = 0; column < queens; ++column) {
    if (!queen_fits(placed, row, column)) continue;
    placed[static_cast<std::size_t>(row)] = static_cast<std::int8_t>(column);
    co_await fork<place_queens>(counts[fit++], placed, row + 1);
  }
  co_await join();
  int sum = 0;
  for (std::size_t i = 0; i < fit; ++i) sum += counts[i];
  co_return sum;
}

void nqueens_14(benchmark::State& state) {
  run_and_weigh(state, "nqueens_14",
                [] { WEFT_CHECK(fork_join(place_queens, board{}, 0) == queens_result, "a queen is lost"); });
}
WEFT_WORKLOAD(nqueens_14);

parallel_task<> multiply(matmul_part part, std::size_t side) {
  if (side == matmul_block) {
    multiply_block(part);
    co_return;
  }
  const auto half = side / 2;
  for (std::size_t k = 0; k < 2; ++k) {
    co_await fork<multiply>(part.quarter(half, 0, 0, k), half);
    co_await fork<multiply>(part.quarter(half, 0, 1, k), half);
    co_await fork<multiply>(part.quarter(half, 1, 0, k), half);
    co_await call<multiply>(part.quarter(half, 1, 1, k), half);
    co_await join();
  }
}

void matmul_1024(benchmark::State& state) {
  matrices all;
  run_and_weigh(
      state, "matmul_1024", [&] { std::ranges::fill(all.c, 0.0F); },
      [&] { fork_join(multiply, matmul_part{all.a.data(), all.b.data(), all.c.data()}, matmul_side); });
  WEFT_CHECK(all.is_right(), "a product is wrong");
}
WEFT_WORKLOAD(matmul_1024);

parallel_task<std::int64_t> count_nodes(uts_node node) {
  std::array<std::int64_t, uts_widest> counts{};
  const auto children = static_cast<std::size_t>(node.children());
  for (std::size_t i = 0; i < children; ++i) {
    co_await fork<count_nodes>(counts[i], node.child(static_cast<int>(i)));
  }
  co_await join();
  std::int64_t sum = 1;
  for (auto each : counts) sum += each;
  co_return sum;
}

void uts(benchmark::State& state) {
  run_and_weigh(state, "uts", [] { benchmark::DoNotOptimize(fork_join(count_nodes, uts_node{})); });
}
WEFT_WORKLOAD(uts);

parallel_task<double> integral(trapezium whole) {
  const auto left = whole.left(), right = whole.right();
  if (whole.is_precise(left, right)) co_return left.area + right.area;
  double a = 0;
  co_await fork<integral>(a, left);
  const double b = co_await call<integral>(right);
  co_await join();
  co_return a + b;
}

void integrate(benchmark::State& state) {
  run_and_weigh(state, "integrate", [] { benchmark::DoNotOptimize(fork_join(integral, whole_integral())); });
}
WEFT_WORKLOAD(integrate);

void sort_10m(benchmark::State& state) {
  const auto given = random_numbers();
  auto numbers = given;
  run_and_weigh(
      state, "sort_10m", [&] { numbers = given; }, [&] { weft::parallel_sort(numbers.begin(), numbers.end()); });
  WEFT_CHECK(std::ranges::is_sorted(numbers), "the numbers are not sorted");
}
WEFT_WORKLOAD(sort_10m);

void stable_sort_10m(benchmark::State& state) {
  const auto given = random_numbers();
  auto numbers = given;
  run_and_weigh(
      state, "stable_sort_10m", [&] { numbers = given; },
      [&] { weft::parallel_stable_sort(numbers.begin(), numbers.end()); });
  WEFT_CHECK(std::ranges::is_sorted(numbers), "the numbers are not sorted");
}
WEFT_WORKLOAD(stable_sort_10m);

void reduce_20m(benchmark::State& state) {
  const auto numbers = addends();
  run_and_weigh(state, "reduce_20m",
                [&] { benchmark::DoNotOptimize(weft::parallel_reduce(numbers.begin(), numbers.end(), 0.0)); });
}
WEFT_WORKLOAD(reduce_20m);

void mandelbrot(benchmark::State& state) {
  std::vector<int> pixels(mandelbrot_side * mandelbrot_side);
  run_and_weigh(state, "mandelbrot", [&] {
    weft::parallel_for_2d({0, mandelbrot_side}, {0, mandelbrot_side}, [&](auto rows, auto columns) {
      for (auto y = rows.first; y != rows.last; ++y) {
        for (auto x = columns.first; x != columns.last; ++x) pixels[y * mandelbrot_side + x] = mandelbrot_pixel(x, y);
      }
    });
  });
}
WEFT_WORKLOAD(mandelbrot);

}  // namespace
}  // namespace weft_bench
