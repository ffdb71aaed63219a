#pragma once

// What the benchmarks of the parallel part compute, and how each is timed: the same for weft and for its peers.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <weft/base/check.hpp>

#include "measure.hpp"

namespace weft_bench {

/// How many threads compute: what WEFT_BENCH_THREADS says, or 2.
[[nodiscard]] std::size_t threads_wanted();

/// The most memory that this process had, in MiB.
[[nodiscard]] double peak_mib();

/// Runs `work` once unmeasured, then for each iteration after `prepare`; the counters `name`_ms, the median, and
/// `name`_mib, the process's peak of memory.
template <class Prepare, class Work>
void time_and_weigh(benchmark::State& state, const std::string& name, Prepare prepare, Work work) {
  std::vector<double> seconds;
  prepare();
  work();
  for (auto _ : state) {
    prepare();
    seconds.push_back(seconds_of(std::ref(work)));
    state.SetIterationTime(seconds.back());
  }
  std::ranges::sort(seconds);
  report(state, name + "_ms", seconds[seconds.size() / 2] * 1000);
  report(state, name + "_mib", peak_mib());
}

template <class Work>
void time_and_weigh(benchmark::State& state, const std::string& name, Work work) {
  time_and_weigh(state, name, [] {}, work);
}

/// Each workload is a benchmark of this form.
#define WEFT_WORKLOAD(name) BENCHMARK(name)->UseManualTime()->Iterations(3)->Unit(benchmark::kMillisecond)

inline constexpr int fib_of = 38, fib_result = 39'088'169;

/// The leaves of skynet, and how many children a node has. Each leaf counts its number.
inline constexpr std::int64_t skynet_leaves = 100'000'000, skynet_children = 10;
inline constexpr std::int64_t skynet_result = skynet_leaves * (skynet_leaves - 1) / 2;

inline constexpr int queens = 14, queens_result = 365'596;
using board = std::array<std::int8_t, queens>;
/// Whether a queen in `column` of `row` leaves those in the rows above alone.
[[nodiscard]] inline bool queen_fits(const board& placed, int row, int column) noexcept {
  for (int above = 0; above < row; ++above) {
    const int apart = row - above, shift = placed[static_cast<std::size_t>(above)] - column;
    if (shift == 0 || shift == apart || shift == -apart) return false;
  }
  return true;
}

/// Matrices of floats, by quarters down to blocks of `matmul_block`.
inline constexpr std::size_t matmul_side = 1024, matmul_block = 32;
struct matrices {
  std::vector<float> a, b, c;
  matrices();
  [[nodiscard]] bool is_right() const;
};
/// A part of a matrix: its first element and how far apart the rows are.
struct matmul_part {
  const float* a;
  const float* b;
  float* c;
  /// One of the 8 products of quarters.
  [[nodiscard]] matmul_part quarter(std::size_t half, std::size_t row, std::size_t column,
                                    std::size_t k) const noexcept {
    return {a + row * half * matmul_side + k * half, b + k * half * matmul_side + column * half,
            c + row * half * matmul_side + column * half};
  }
};
/// c += a * b.
void multiply_block(matmul_part part);

/// Unbalanced tree search (Olivier and others, 2006): a tree whose shape a hash decides.
struct uts_node {
  std::uint64_t hash = 42;
  int depth = 0;
  [[nodiscard]] int children() const noexcept {
    constexpr int deepest = 11;
    return depth == deepest ? 0 : static_cast<int>(hash >> 61) + (depth < 3 ? 2 : 0);
  }
  [[nodiscard]] uts_node child(int index) const noexcept {
    auto x = hash + 0x9e3779b97f4a7c15u * static_cast<std::uint64_t>(index + 1);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return {x ^ (x >> 31), depth + 1};
  }
};
inline constexpr int uts_widest = 9;

/// Adaptive integration of x^3 + x over [0, 10,000].
inline constexpr double integral_end = 10'000, integral_precision = 1e-9;
[[nodiscard]] inline double integrand(double x) noexcept { return (x * x + 1) * x; }
struct trapezium {
  double x1, y1, x2, y2, area;
  [[nodiscard]] static trapezium of(double x1, double y1, double x2, double y2) noexcept {
    return {x1, y1, x2, y2, (y1 + y2) / 2 * (x2 - x1)};
  }
  [[nodiscard]] double middle() const noexcept { return (x1 + x2) / 2; }
  [[nodiscard]] trapezium left() const noexcept { return of(x1, y1, middle(), integrand(middle())); }
  [[nodiscard]] trapezium right() const noexcept { return of(middle(), integrand(middle()), x2, y2); }
  [[nodiscard]] bool is_precise(const trapezium& left, const trapezium& right) const noexcept {
    const double error = left.area + right.area - area;
    return error < integral_precision * area && error > -integral_precision * area;
  }
};
[[nodiscard]] inline trapezium whole_integral() noexcept {
  return trapezium::of(0, integrand(0), integral_end, integrand(integral_end));
}

/// What is sorted: 10,000,000 numbers in random order.
[[nodiscard]] std::vector<std::uint64_t> random_numbers();

/// What is added up: 20,000,000 numbers.
[[nodiscard]] std::vector<double> addends();

/// How often z = z * z + c can be repeated before it leaves the circle.
inline constexpr std::size_t mandelbrot_side = 1500;
[[nodiscard]] int mandelbrot_pixel(std::size_t x, std::size_t y) noexcept;

}  // namespace weft_bench
