#include <weft/observe/metrics_snapshot.hpp>

#include <numeric>

namespace weft::observe {
namespace {

std::chrono::nanoseconds sum(const std::array<std::chrono::nanoseconds, wait_kind_count>& times) {
  return std::accumulate(times.begin(), times.end(), std::chrono::nanoseconds{0});
}

}  // namespace

std::string_view to_string(verdict value) noexcept {
  switch (value) {
    case verdict::unknown: return "unknown";
    case verdict::io_bound: return "I/O-bound";
    case verdict::mixed: return "mixed";
    case verdict::cpu_bound: return "CPU-bound";
  }
  return "unknown";
}

std::chrono::nanoseconds time_metrics::total() const noexcept { return running + sum(waiting); }

double time_metrics::cpu_idle_share() const noexcept {
  auto all = total().count();
  if (all <= 0) return 0;
  auto idle = sum(waiting) - waiting[static_cast<std::size_t>(wait_kind::compute)];
  return static_cast<double>(idle.count()) / static_cast<double>(all);
}

observe::verdict time_metrics::verdict() const noexcept {
  if (total().count() <= 0) return observe::verdict::unknown;
  auto idle = cpu_idle_share();
  if (idle >= 2.0 / 3) return observe::verdict::io_bound;
  if (idle <= 1.0 / 3) return observe::verdict::cpu_bound;
  return observe::verdict::mixed;
}

}  // namespace weft::observe
