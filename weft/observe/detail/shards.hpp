#pragma once

#include <cstddef>

namespace weft::observe {

/// What two threads write to is this far apart, so that they do not fight over a cache line.
inline constexpr std::size_t cache_line_bytes = 64;

/// How many shards a counter is split into: a power of two, at least twice the cores.
[[nodiscard]] std::size_t shard_count() noexcept;

/// The shard, below shard_count(), that the calling OS thread writes to. Several threads may share one, so shards are
/// still written with atomic operations.
[[nodiscard]] std::size_t shard_of_this_thread() noexcept;

}  // namespace weft::observe
