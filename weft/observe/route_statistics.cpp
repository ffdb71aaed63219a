#include <weft/observe/route_statistics.hpp>

#include <algorithm>
#include <atomic>
#include <numeric>

#include <weft/base/check.hpp>

#include "weft/observe/detail/shards.hpp"

namespace weft::observe {
namespace {

using std::chrono::nanoseconds;

constexpr auto compute_index = static_cast<std::size_t>(wait_kind::compute);

/// Splits one request's latency into running and waiting so that nothing is counted twice: the wait for compute() to
/// return holds both the queue for a core and the computing, and the computing is running time.
time_metrics split(nanoseconds latency, const accounting& waits) noexcept {
  time_metrics time;
  time.waiting = waits.waited;
  time.blocked_in_place = waits.blocked_in_place;
  auto& queued = time.waiting[compute_index];
  queued = std::max(queued - waits.computed, nanoseconds{0});
  auto waited = std::accumulate(waits.waited.begin(), waits.waited.end(), nanoseconds{0});
  // Children that share their parent's accounting can wait longer, together, than the request took.
  time.running = std::max(latency - waited, nanoseconds{0}) + waits.computed;
  return time;
}

/// A sum that many threads add to. All its operations are relaxed: a sum publishes nothing but itself, and a snapshot
/// promises no order between sums.
class relaxed_sum {
 public:
  void add(std::int64_t amount) noexcept { value_.fetch_add(amount, std::memory_order_relaxed); }
  void raise_to(std::int64_t amount) noexcept {
    auto seen = value_.load(std::memory_order_relaxed);
    while (seen < amount && !value_.compare_exchange_weak(seen, amount, std::memory_order_relaxed)) {}
  }
  // relaxed: a number
  [[nodiscard]] std::int64_t load() const noexcept { return value_.load(std::memory_order_relaxed); }
  [[nodiscard]] nanoseconds time() const noexcept { return nanoseconds{load()}; }

 private:
  std::atomic<std::int64_t> value_{0};
};

}  // namespace

struct alignas(cache_line_bytes) route_statistics::shard {
  // What every request touches comes first, side by side.
  relaxed_sum latency_sum;
  relaxed_sum latency_max;
  relaxed_sum running;
  std::array<relaxed_sum, 5> responses;
  std::array<relaxed_sum, wait_kind_count> waiting;
  relaxed_sum blocked_in_place;
  std::array<relaxed_sum, latency_histogram::bucket_count> latency;
};

route_statistics::route_statistics(std::string method, std::string path)
    : method_(std::move(method)), path_(std::move(path)), shards_(std::make_unique<shard[]>(shard_count())) {}

route_statistics::~route_statistics() = default;

void route_statistics::record(nanoseconds latency, const accounting& waits, int status) noexcept {
  WEFT_CHECK(status >= 100 && status <= 599, "record the HTTP status that was answered, 100 to 599");
  auto time = split(latency, waits);
  auto& mine = shards_[shard_of_this_thread()];
  mine.latency[latency_histogram::bucket_of(latency)].add(1);
  mine.latency_sum.add(latency.count());
  mine.latency_max.raise_to(latency.count());
  mine.responses[static_cast<std::size_t>(status / 100 - 1)].add(1);
  mine.running.add(time.running.count());
  for (std::size_t kind = 0; kind < wait_kind_count; ++kind) {
    if (time.waiting[kind].count() != 0) mine.waiting[kind].add(time.waiting[kind].count());
  }
  if (time.blocked_in_place.count() != 0) mine.blocked_in_place.add(time.blocked_in_place.count());
}

route_metrics route_statistics::snapshot() const {
  route_metrics all;
  all.method = method_;
  all.path = path_;
  for (std::size_t i = 0; i < shard_count(); ++i) {
    const auto& one = shards_[i];
    for (std::size_t bucket = 0; bucket < latency_histogram::bucket_count; ++bucket) {
      all.latency.add(bucket, static_cast<std::uint64_t>(one.latency[bucket].load()));
    }
    for (std::size_t digit = 0; digit < all.responses.size(); ++digit) {
      all.responses[digit] += static_cast<std::uint64_t>(one.responses[digit].load());
    }
    all.latency_sum += one.latency_sum.time();
    all.latency_max = std::max(all.latency_max, one.latency_max.time());
    all.time.running += one.running.time();
    all.time.blocked_in_place += one.blocked_in_place.time();
    for (std::size_t kind = 0; kind < wait_kind_count; ++kind) all.time.waiting[kind] += one.waiting[kind].time();
  }
  return all;
}

}  // namespace weft::observe
