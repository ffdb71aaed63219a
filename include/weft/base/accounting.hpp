#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft {

/// What a task waited for.
enum class wait_kind : std::uint8_t {
  socket,    ///< a peer: receive, send, accept, connect, name resolution
  file,      ///< a disk
  timer,     ///< a point in time
  channel,   ///< a value from, or room for one in, a channel
  lock,      ///< a mutex, semaphore, latch, condition
  join,      ///< another task's end
  compute,   ///< its turn on, and the answer of, the compute carriers
  blocking,  ///< a call that blocks in the kernel, made on its behalf, or by the task itself
};

inline constexpr std::size_t wait_kind_count = 8;

/// The lower-case word for `kind`: "socket", "file" and so on.
[[nodiscard]] constexpr std::string_view to_string(wait_kind kind) noexcept {
  constexpr std::array<std::string_view, wait_kind_count> words{"socket", "file", "timer",   "channel",
                                                                "lock",   "join", "compute", "blocking"};
  return words[static_cast<std::size_t>(kind)];
}

/// Where the time of one piece of work, such as a request, went. While one is installed on a task (`accounting_scope`)
/// every wait of that task adds to it.
/// Thread: the task it is installed on.
struct accounting {
  /// Wall time spent waiting, by what was waited for.
  std::array<std::chrono::nanoseconds, wait_kind_count> waited{};
  /// Part of `waited`: for how long the task kept its OS thread blocked in the kernel, where a wait of weft's would
  /// have parked it. As far as the watch saw it, which looks at what has run for longer than a slice (10 ms).
  std::chrono::nanoseconds blocked_in_place{};
  /// How long compute() ran on behalf of the work; part of waited[compute] as well.
  std::chrono::nanoseconds computed{};

  void add(wait_kind kind, std::chrono::nanoseconds time) noexcept { waited[static_cast<std::size_t>(kind)] += time; }
};

}  // namespace weft
