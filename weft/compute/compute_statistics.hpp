#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>

namespace weft {

/// What the compute() calls of one place in the program cost.
struct compute_site {
  std::source_location called_at;
  std::uint64_t calls = 0;
  std::chrono::nanoseconds total{};    ///< computing; waiting for a carrier not included
  std::chrono::nanoseconds longest{};  ///< the longest call
};

/// What the compute carriers have done since they started.
struct compute_statistics {
  std::size_t carriers = 0;           ///< OS threads started
  std::size_t asleep = 0;             ///< those of them that wait for something to do
  std::size_t queued = 0;             ///< computations that have not begun
  std::size_t ready = 0;              ///< those that have waited for something, and could go on
  std::size_t blocked = 0;            ///< carriers that wait for something in place, in fork-join code
  std::uint64_t begun = 0;            ///< computations begun
  std::uint64_t resumed = 0;          ///< times that one went on after a wait
  std::uint64_t refused = 0;          ///< try_compute() calls that found the queue full
  std::uint64_t stolen = 0;           ///< forks that another carrier went on with
  std::uint64_t exceptions_lost = 0;  ///< thrown by parts of a computation after another one had thrown
};

}  // namespace weft
