#include "workloads.hpp"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>

namespace weft_bench {

std::size_t threads_wanted() {
  const char* said = std::getenv("WEFT_BENCH_THREADS");
  return said ? static_cast<std::size_t>(std::atoi(said)) : 2;
}

double peak_mib() {
  // Not getrusage(), whose peak is that of whoever started the program where that was larger.
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

matrices::matrices() : a(matmul_side * matmul_side), b(matmul_side * matmul_side), c(matmul_side * matmul_side) {
  std::minstd_rand random{1};
  std::uniform_real_distribution<float> numbers{-1, 1};
  for (auto& each : a) each = numbers(random);
  for (auto& each : b) each = numbers(random);
}

bool matrices::is_right() const {
  for (std::size_t i = 0; i < matmul_side; i += 97) {
    const std::size_t j = (i * 31) % matmul_side;
    float sum = 0;
    for (std::size_t k = 0; k < matmul_side; ++k) sum += a[i * matmul_side + k] * b[k * matmul_side + j];
    if (std::abs(sum - c[i * matmul_side + j]) > 1e-3F) return false;
  }
  return true;
}

void multiply_block(matmul_part part) {
  for (std::size_t i = 0; i < matmul_block; ++i) {
    std::array<float, matmul_block> row;
    auto* to = part.c + i * matmul_side;
    for (std::size_t j = 0; j < matmul_block; ++j) row[j] = to[j];
    for (std::size_t k = 0; k < matmul_block; ++k) {
      const float factor = part.a[i * matmul_side + k];
      for (std::size_t j = 0; j < matmul_block; ++j) row[j] += factor * part.b[k * matmul_side + j];
    }
    for (std::size_t j = 0; j < matmul_block; ++j) to[j] = row[j];
  }
}

std::vector<std::uint64_t> random_numbers() {
  std::vector<std::uint64_t> numbers(10'000'000);
  std::mt19937_64 random{7};
  for (auto& each : numbers) each = random();
  return numbers;
}

std::vector<double> addends() {
  std::vector<double> numbers(20'000'000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = 1.0 / static_cast<double>(i + 1);
  return numbers;
}

int mandelbrot_pixel(std::size_t x, std::size_t y) noexcept {
  constexpr int most = 200;
  const double side = mandelbrot_side;
  const double cr = 3.0 * static_cast<double>(x) / side - 2.0, ci = 3.0 * static_cast<double>(y) / side - 1.5;
  double zr = 0, zi = 0;
  int rounds = 0;
  for (; rounds < most && zr * zr + zi * zi < 4; ++rounds) {
    const double next = zr * zr - zi * zi + cr;
    zi = 2 * zr * zi + ci;
    zr = next;
  }
  return rounds;
}

}  // namespace weft_bench
