#include <weft/observe/latency_histogram.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <weft/base/check.hpp>

namespace weft::observe {
namespace {

using std::chrono::nanoseconds;

using bounds = std::array<nanoseconds, latency_histogram::bucket_count - 1>;

constexpr bounds make_bounds() {
  bounds made{};
  std::size_t next = 0;
  auto steps = [&](std::int64_t first, std::int64_t last, std::int64_t step) {
    for (auto bound = first; bound <= last; bound += step) made[next++] = nanoseconds{bound};
  };
  std::int64_t decade = 1000;  // 1 us
  steps(decade, decade, decade);
  for (std::size_t i = 0; i < latency_histogram::decades; ++i, decade *= 10) {
    steps(decade * 11 / 10, decade * 2, decade / 10);
    steps(decade * 9 / 4, decade * 5, decade / 4);
    steps(decade * 11 / 2, decade * 10, decade / 2);
  }
  return made;
}

constexpr bounds upper = make_bounds();
static_assert(upper.back() == std::chrono::seconds{100} && std::ranges::is_sorted(upper));

}  // namespace

std::span<const nanoseconds, latency_histogram::bucket_count - 1> latency_histogram::upper_bounds() noexcept {
  return upper;
}

std::size_t latency_histogram::bucket_of(nanoseconds latency) noexcept {
  return static_cast<std::size_t>(std::ranges::lower_bound(upper, latency) - upper.begin());
}

std::uint64_t latency_histogram::count() const noexcept {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

std::uint64_t latency_histogram::count_up_to(nanoseconds bound) const noexcept {
  auto bucket = bucket_of(bound);
  WEFT_ASSERT(bucket < upper.size() && upper[bucket] == bound);
  return std::accumulate(counts_.begin(), counts_.begin() + static_cast<std::ptrdiff_t>(bucket) + 1, std::uint64_t{0});
}

nanoseconds latency_histogram::percentile(double share) const noexcept {
  auto all = count();
  if (all == 0) return {};
  auto rank =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(all))), 1, all);
  std::uint64_t below = 0;
  for (std::size_t bucket = 0; bucket < upper.size(); ++bucket) {
    if (below + counts_[bucket] >= rank) {
      auto lower = bucket == 0 ? nanoseconds{0} : upper[bucket - 1];
      auto inside = static_cast<double>(rank - below) / static_cast<double>(counts_[bucket]);
      auto width = static_cast<double>((upper[bucket] - lower).count());
      return lower + nanoseconds{std::llround(width * inside)};
    }
    below += counts_[bucket];
  }
  return upper.back();
}

}  // namespace weft::observe
