#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>

namespace weft {

/// How much stack the virtual threads of one spawn site have used, as far as it was measured: the first few of them,
/// and later one in a thousand.
struct stack_use {
  std::source_location spawned_at;
  std::uint64_t measured = 0;         ///< virtual threads
  std::size_t most_bytes = 0;         ///< that one of them has touched, in whole pages
  std::size_t recommended_bytes = 0;  ///< for spawn_options::stack_bytes: half as much again, and room for a signal
};

}  // namespace weft
