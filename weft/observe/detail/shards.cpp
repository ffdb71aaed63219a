#include "weft/observe/detail/shards.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <thread>

namespace weft::observe {

std::size_t shard_count() noexcept {
  static const std::size_t count =
      std::bit_ceil(std::clamp<std::size_t>(2 * std::size_t{std::thread::hardware_concurrency()}, 8, 128));
  return count;
}

// Never inlined: a virtual thread may wake on another OS thread, and a compiler that inlines this may keep the address
// of the thread_local of the one before.
[[gnu::noinline]] std::size_t shard_of_this_thread() noexcept {
  static std::atomic<std::size_t> next{0};
  // relaxed: only the number counts; nothing is published with it.
  thread_local const std::size_t ordinal = next.fetch_add(1, std::memory_order_relaxed);
  return ordinal & (shard_count() - 1);
}

}  // namespace weft::observe
