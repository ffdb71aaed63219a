#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <weft/base/accounting.hpp>
#include <weft/base/containers.hpp>
#include <weft/compute/detail/compute_pool.hpp>
#include <weft/observe/latency_histogram.hpp>

namespace weft::observe {

/// What a route's work is bound by.
enum class verdict : std::uint8_t {
  unknown,    ///< nothing was recorded yet
  io_bound,   ///< its waits leave the CPU idle for two thirds of its time or more: it wants concurrency
  mixed,      ///< both count
  cpu_bound,  ///< its waits leave the CPU idle for one third of its time or less: it wants parallelism
};

/// As people write it: "I/O-bound", "CPU-bound", "mixed", "unknown".
[[nodiscard]] std::string_view to_string(verdict value) noexcept;

/// Where the time of a route's requests went, added up over all of them. Every request's time is
/// its running time plus its waiting time; nothing is counted twice.
struct time_metrics {
  /// On a CPU, on the request's own task or in compute() on its behalf; more than the latency when compute() ran it on
  /// several cores. The request's own share is what no wait accounts for, so it includes being ready to run with no
  /// core free, which the sched layer does not see as a wait.
  std::chrono::nanoseconds running{};
  /// By what was waited for. `wait_kind::compute` is the time in the queue for a core, not the computing itself.
  std::array<std::chrono::nanoseconds, wait_kind_count> waiting{};
  /// Part of `waiting`: the requests' own tasks kept an OS thread blocked in the kernel for so long. What blocks there
  /// belongs into blocking(), or behind one of weft's waits.
  std::chrono::nanoseconds blocked_in_place{};

  [[nodiscard]] std::chrono::nanoseconds total() const noexcept;
  /// The share (0 to 1) of the time in which a CPU had nothing to do for it: every wait but the one for a core.
  [[nodiscard]] double cpu_idle_share() const noexcept;
  [[nodiscard]] observe::verdict verdict() const noexcept;
};

/// One route at one moment. Counts and times are since the start.
struct route_metrics {
  std::string method;
  std::string path;
  /// Answers by the first digit of their status, [0] for 1xx to [4] for 5xx.
  std::array<std::uint64_t, 5> responses{};
  latency_histogram latency;
  std::chrono::nanoseconds latency_sum{};
  std::chrono::nanoseconds latency_max{};
  time_metrics time;

  [[nodiscard]] std::uint64_t requests() const noexcept { return latency.count(); }
  /// Answers that blame the client (4xx).
  [[nodiscard]] std::uint64_t rejected() const noexcept { return responses[3]; }
  /// Answers that blame the server (5xx).
  [[nodiscard]] std::uint64_t errors() const noexcept { return responses[4]; }
};

/// What the process has used.
struct process_metrics {
  std::chrono::nanoseconds cpu_time{};  ///< of all its threads, since it started
  unsigned cores = 0;                   ///< that it may run on
  /// Absent where the operating system does not say.
  std::optional<std::uint64_t> threads;
  std::optional<std::uint64_t> resident_bytes;
};

/// What compute() has done, and for which places in the program.
struct computing_metrics {
  compute_statistics carriers;
  plain::vector<compute_site> sites;  ///< the most expensive first
};

/// Everything that a recorder knows at one moment.
struct metrics_snapshot {
  std::string service;
  std::string model;
  std::chrono::system_clock::time_point started_at;
  std::chrono::nanoseconds uptime{};
  process_metrics process;
  /// Absent outside of weft::run(), and until something was computed there.
  std::optional<computing_metrics> computing;
  std::int64_t in_flight = 0;   ///< requests begun and not yet answered
  std::uint64_t abandoned = 0;  ///< requests that ended without an answer: the client hung up
  plain::vector<route_metrics> routes;
};

}  // namespace weft::observe
