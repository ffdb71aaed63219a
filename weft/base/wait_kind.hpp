#pragma once

#include <array>
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

}  // namespace weft
