#include <weft/base/detail/block_cache.hpp>

#include <array>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include <weft/base/detail/spin_lock.hpp>
#include "weft/base/detail/thread_index.hpp"

#include "weft/base/detail/slab_depot.hpp"

// A thread keeps a magazine of each size to itself. One that is empty, or full, trades half a magazine with the depot,
// which is everybody's: where one thread spawns and another runs, the lock is taken once in sixteen blocks.

namespace weft::base {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool instrumented = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool instrumented = true;  // which have to see each block's own life
#else
constexpr bool instrumented = false;
#endif
#else
constexpr bool instrumented = false;
#endif

constexpr std::size_t granule_bytes = 32, size_count = 32, thread_count = 64;

struct magazine {
  static constexpr std::size_t capacity = 32;
  std::size_t count = 0;
  std::array<void*, capacity> blocks;
};

/// What one OS thread keeps. Only that thread touches it.
struct alignas(64) thread_cache {
  std::array<magazine, size_count> of_size;
};
constinit std::array<thread_cache, thread_count> caches{};

constinit slab_source source{};

template <std::size_t... Sizes>
constexpr std::array<slab_depot, sizeof...(Sizes)> make_depots(std::index_sequence<Sizes...>) noexcept {
  return {slab_depot{source, (Sizes + 1) * granule_bytes}...};
}
constinit std::array<slab_depot, size_count> depots = make_depots(std::make_index_sequence<size_count>{});

[[nodiscard]] constexpr std::size_t size_index(std::size_t bytes) noexcept {
  return (bytes + granule_bytes - 1) / granule_bytes - 1;
}

/// Sizes that are multiples of a frame's alignment.
[[nodiscard]] constexpr std::size_t frame_size_index(std::size_t bytes) noexcept {
  return (bytes + frame_alignment - 1) / frame_alignment * (frame_alignment / granule_bytes) - 1;
}

[[nodiscard]] thread_cache* cache_here() noexcept {
  auto index = thread_index();
  return index < thread_count ? &caches[index] : nullptr;
}

[[nodiscard]] void* take(std::size_t size) {
  if (auto* cache = cache_here()) [[likely]] {
    auto& mine = cache->of_size[size];
    if (mine.count == 0) [[unlikely]]
      mine.count = depots[size].take(mine.blocks.data(), magazine::capacity / 2);
    if (mine.count != 0) [[likely]]
      return mine.blocks[--mine.count];
  } else if (void* block = nullptr; depots[size].take(&block, 1) == 1) {
    return block;
  }
  throw std::bad_alloc{};
}

void release(void* block, std::size_t size) noexcept {
  auto* cache = cache_here();
  if (!cache) [[unlikely]]
    return depots[size].give(&block, 1);
  auto& mine = cache->of_size[size];
  if (mine.count == magazine::capacity) [[unlikely]] {
    constexpr auto half = magazine::capacity / 2;
    depots[size].give(mine.blocks.data(), half);  // the older ones
    std::copy(mine.blocks.begin() + half, mine.blocks.end(), mine.blocks.begin());
    mine.count = half;
  }
  mine.blocks[mine.count++] = block;
}

}  // namespace

void* allocate_block(std::size_t bytes) {
  auto size = size_index(bytes);
  return instrumented || size >= size_count ? ::operator new(bytes) : take(size);
}

void release_block(void* block, std::size_t bytes) noexcept {
  auto size = size_index(bytes);
  instrumented || size >= size_count ? ::operator delete(block) : release(block, size);
}

void* allocate_frame(std::size_t bytes) {
  auto size = frame_size_index(bytes);
  if (!instrumented && size < size_count) [[likely]]
    return take(size);
  return ::operator new(bytes, std::align_val_t{alignment_of_frame(bytes)});
}

void release_frame(void* frame, std::size_t bytes) noexcept {
  auto size = frame_size_index(bytes);
  if (!instrumented && size < size_count) [[likely]]
    return release(frame, size);
  ::operator delete(frame, std::align_val_t{alignment_of_frame(bytes)});
}

bool give_back_idle_blocks(idleness which) noexcept {
  bool more = false;
  for (auto& depot : depots) more |= depot.give_back_idle(which);
  return more;
}

block_statistics blocks() noexcept {
  block_statistics sum{.reserved_bytes = source.reserved_bytes()};
  for (const auto& depot : depots) {
    auto of_size = depot.slabs();
    sum.resident_bytes += of_size.all * slab_bytes;
    sum.idle_bytes += of_size.idle * slab_bytes;
  }
  return sum;
}

}  // namespace weft::base
