#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <weft/base/random.hpp>
#include <weft/observe/latency_histogram.hpp>

namespace weft::observe {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

TEST(latency_histogram, puts_every_latency_into_the_bucket_whose_bounds_enclose_it) {
  auto bounds = latency_histogram::upper_bounds();
  for (std::size_t bucket = 0; bucket < bounds.size(); ++bucket) {
    EXPECT_EQ(latency_histogram::bucket_of(bounds[bucket]), bucket);
    EXPECT_EQ(latency_histogram::bucket_of(bounds[bucket] + 1ns), bucket + 1);
  }
  EXPECT_EQ(latency_histogram::bucket_of(0ns), 0u);
  EXPECT_EQ(latency_histogram::bucket_of(-5ns), 0u);
  EXPECT_EQ(latency_histogram::bucket_of(nanoseconds::max()), latency_histogram::bucket_count - 1);
}

TEST(latency_histogram, has_no_bucket_wider_than_an_eighth_of_its_lower_end) {
  auto bounds = latency_histogram::upper_bounds();
  EXPECT_EQ(bounds.front(), 1us);
  EXPECT_EQ(bounds.back(), 100s);
  for (std::size_t i = 1; i < bounds.size(); ++i) {
    EXPECT_LE((bounds[i] - bounds[i - 1]).count() * 8, bounds[i - 1].count()) << i;
  }
}

TEST(latency_histogram, has_bounds_at_1_2_and_a_half_and_5_of_every_decade) {
  auto bounds = latency_histogram::upper_bounds();
  for (nanoseconds decade = 1us; decade < 100s; decade *= 10) {
    for (auto bound : {decade, decade * 5 / 2, decade * 5}) {
      EXPECT_TRUE(std::ranges::binary_search(bounds, bound)) << bound.count();
    }
  }
}

TEST(latency_histogram, says_a_percentile_within_an_eighth_of_the_exact_one) {
  base::random random{20240607};
  latency_histogram histogram;
  std::vector<nanoseconds> exact;
  for (int i = 0; i < 20'000; ++i) {
    auto exponent = 3.5 + 6.0 * random.below(1'000'000) / 1e6;  // 3 us to 3 s, evenly on a logarithmic scale
    nanoseconds latency{std::llround(std::pow(10.0, exponent))};
    exact.push_back(latency);
    histogram.add(latency_histogram::bucket_of(latency), 1);
  }
  std::ranges::sort(exact);
  EXPECT_EQ(histogram.count(), exact.size());
  for (double share : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(exact.size()))) - 1;
    auto truth = static_cast<double>(exact[rank].count());
    EXPECT_NEAR(static_cast<double>(histogram.percentile(share).count()), truth, truth / 8) << share;
  }
}

TEST(latency_histogram, says_zero_when_empty_and_100_s_beyond_its_range) {
  latency_histogram histogram;
  EXPECT_EQ(histogram.percentile(0.5), 0ns);
  histogram.add(latency_histogram::bucket_of(3h), 1);
  EXPECT_EQ(histogram.percentile(0.5), 100s);
}

TEST(latency_histogram, counts_up_to_a_bound_with_the_bound_itself) {
  latency_histogram histogram;
  for (auto latency : {nanoseconds{1ms}, 1ms + 1ns, nanoseconds{2ms}, nanoseconds{50s}}) {
    histogram.add(latency_histogram::bucket_of(latency), 1);
  }
  EXPECT_EQ(histogram.count_up_to(1ms), 1u);
  EXPECT_EQ(histogram.count_up_to(2ms), 3u);
  EXPECT_EQ(histogram.count_up_to(100s), 4u);
}

}  // namespace
}  // namespace weft::observe
