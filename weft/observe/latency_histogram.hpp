#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace weft::observe {

/// How many times something took how long: a plain value, made by adding up what was recorded.
///
/// The buckets are round in decimal, from 1 us to 100 s, 32 a decade: steps of 0.1 from 1 to 2, of 0.25 from 2 to 5,
/// of 0.5 from 5 to 10. No bucket is wider than 12.5 % of its lower end, and 1, 2.5 and 5 of every decade are ends of
/// buckets, so that the coarser buckets of Prometheus are exact sums of these.
/// Thread: one at a time.
class latency_histogram {
 public:
  static constexpr std::size_t decades = 8;
  /// Everything up to 1 us, 32 buckets a decade, and what took longer than 100 s.
  static constexpr std::size_t bucket_count = 1 + 32 * decades + 1;

  /// The largest latency that belongs to each bucket, which the last bucket does not have.
  [[nodiscard]] static std::span<const std::chrono::nanoseconds, bucket_count - 1> upper_bounds() noexcept;

  /// The bucket that `latency` belongs to.
  [[nodiscard]] static std::size_t bucket_of(std::chrono::nanoseconds latency) noexcept;

  void add(std::size_t bucket, std::uint64_t times) noexcept { counts_[bucket] += times; }

  [[nodiscard]] std::span<const std::uint64_t, bucket_count> counts() const noexcept { return counts_; }

  /// How many there are in all.
  [[nodiscard]] std::uint64_t count() const noexcept;

  /// How many took at most `bound`, which is one of `upper_bounds()`.
  [[nodiscard]] std::uint64_t count_up_to(std::chrono::nanoseconds bound) const noexcept;

  /// The latency that `share` (0 to 1) of all stayed within, interpolated inside its bucket; zero when there are none.
  /// What took longer than 100 s counts as 100 s.
  [[nodiscard]] std::chrono::nanoseconds percentile(double share) const noexcept;

 private:
  std::array<std::uint64_t, bucket_count> counts_{};
};

}  // namespace weft::observe
