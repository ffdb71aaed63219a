#pragma once

#include <array>
#include <chrono>
#include <cstddef>

#include <weft/base/wait_kind.hpp>

namespace weft {

/// Where the time of one piece of work, such as a request, went. While one is installed on a task (`accounting_scope`)
/// every wait of that task adds to it.
/// Thread: the task it is installed on.
struct accounting {
  /// Wall time spent waiting, by what was waited for.
  std::array<std::chrono::nanoseconds, wait_kind_count> waited{};
  /// Part of `waited`: for how long the task kept its OS thread blocked in the kernel, where a wait of weft's would
  /// have parked it. As far as the watchdog saw it, which looks at what has run for longer than a slice (10 ms).
  std::chrono::nanoseconds blocked_in_place{};
  /// How long compute() ran on behalf of the work; part of waited[compute] as well.
  std::chrono::nanoseconds computed{};

  void add(wait_kind kind, std::chrono::nanoseconds time) noexcept { waited[static_cast<std::size_t>(kind)] += time; }
};

}  // namespace weft
