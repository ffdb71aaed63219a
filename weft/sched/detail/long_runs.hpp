#pragma once

#include <chrono>
#include <cstddef>

#include <weft/sched/watchdog.hpp>

namespace weft::sched {

class carrier_pool;

/// Finds runs that have gone on for longer than watchdog_options::warn_after, and reports each once.
///
/// A run begins where the watchdog takes the seat from a task, or where a carrier without a seat resumes one, and ends
/// when that task parks, yields or ends. The carrier keeps its beginning, the spawn site and the name, so
/// that no task is read here: it may be gone.
/// Thread: the watchdog's.
class long_runs {
 public:
  explicit long_runs(const watchdog_options& options) noexcept : options_{options} {}

  /// Looks at the carriers without a seat. Reports those that run for long, in one line, at most once a second.
  void inspect(carrier_pool& carriers, std::chrono::steady_clock::time_point present);

  /// Whether a task that has kept a seat for `run`, which could not be handed over, is to be reported now.
  [[nodiscard]] bool wants(std::chrono::nanoseconds run, std::chrono::steady_clock::time_point present) const noexcept {
    return run >= options_.warn_after.value() && !is_silent(present);
  }
  /// Reports it, and how many `others` run for as long.
  void report(const stall& event, std::size_t others, std::chrono::steady_clock::time_point present);

 private:
  /// Nobody wants to know, or the last line is less than a second old.
  [[nodiscard]] bool is_silent(std::chrono::steady_clock::time_point present) const noexcept;

  const watchdog_options& options_;
  std::chrono::steady_clock::time_point reported_{};
};

}  // namespace weft::sched
