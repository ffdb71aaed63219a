#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <weft/base/accounting.hpp>
#include <weft/observe/metrics_snapshot.hpp>

namespace weft::observe {

/// What was recorded about one route. Made by `recorder::add_route`.
/// Thread: any, for every member, at the same time. Each thread records into a shard that it seldom shares, so that
///   recording takes no lock and makes no two cores fight over a cache line.
class route_statistics {
 public:
  route_statistics(std::string method, std::string path);
  ~route_statistics();
  route_statistics(const route_statistics&) = delete;
  route_statistics& operator=(const route_statistics&) = delete;

  [[nodiscard]] const std::string& method() const noexcept { return method_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Adds one answered request: how long it took from first to last, what its waits were, and the HTTP status of its
  /// answer (100 to 599).
  void record(std::chrono::nanoseconds latency, const accounting& waits, int status) noexcept;

  /// Adds up the shards. What is recorded meanwhile may be in some of the sums and not yet in others.
  [[nodiscard]] route_metrics snapshot() const;

 private:
  struct shard;

  std::string method_;
  std::string path_;
  std::unique_ptr<shard[]> shards_;
};

}  // namespace weft::observe
