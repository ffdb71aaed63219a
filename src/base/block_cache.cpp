#include <weft/base/block_cache.hpp>

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <utility>

#include <weft/base/spin_lock.hpp>
#include <weft/base/thread_index.hpp>

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

// The allocator puts a word of its own before each block, and rounds the sum up.
constexpr std::size_t granule_bytes = 32, size_count = 32, thread_count = 64, allocator_word = sizeof(void*);
constexpr std::size_t most_kept_bytes = std::size_t{64} << 20;

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

struct free_block {
  free_block* next;
};

/// All blocks of one size that nobody keeps.
class alignas(64) depot {
 public:
  void take(magazine& into) noexcept {
    std::lock_guard guard{lock_};
    while (into.count < magazine::capacity / 2 && first_) {
      into.blocks[into.count++] = std::exchange(first_, first_->next);
      --count_;
    }
  }

  /// Takes the older half of `from`, and frees it when there is enough already.
  void give(magazine& from, std::size_t bytes) noexcept {
    constexpr auto half = magazine::capacity / 2;
    bool enough = false;
    {
      std::lock_guard guard{lock_};
      enough = count_ * bytes >= most_kept_bytes;
      if (!enough) {
        for (std::size_t i = 0; i < half; ++i) first_ = new (from.blocks[i]) free_block{first_};
        count_ += half;
      }
    }
    if (enough) {
      for (std::size_t i = 0; i < half; ++i) ::operator delete(from.blocks[i]);
    }
    std::copy(from.blocks.begin() + half, from.blocks.end(), from.blocks.begin());
    from.count = half;
  }

 private:
  spin_lock lock_;  // guards all below
  free_block* first_ = nullptr;
  std::size_t count_ = 0;
};
constinit std::array<depot, size_count> depots{};

[[nodiscard]] std::size_t size_index(std::size_t bytes) noexcept {
  return (bytes + allocator_word + granule_bytes - 1) / granule_bytes - 1;
}

[[nodiscard]] constexpr std::size_t block_bytes(std::size_t size) noexcept {
  return (size + 1) * granule_bytes - allocator_word;
}

[[nodiscard]] thread_cache* cache_here() noexcept {
  auto index = thread_index();
  return index < thread_count ? &caches[index] : nullptr;
}

}  // namespace

void* allocate_block(std::size_t bytes) {
  auto size = size_index(bytes);
  if (instrumented || size >= size_count) return ::operator new(bytes);
  if (auto* cache = cache_here()) {
    auto& mine = cache->of_size[size];
    if (mine.count == 0) [[unlikely]]
      depots[size].take(mine);
    if (mine.count != 0) [[likely]]
      return mine.blocks[--mine.count];
  }
  return ::operator new(block_bytes(size));
}

void release_block(void* block, std::size_t bytes) noexcept {
  auto size = size_index(bytes);
  auto* cache = instrumented || size >= size_count ? nullptr : cache_here();
  if (!cache) return ::operator delete(block);
  auto& mine = cache->of_size[size];
  if (mine.count == magazine::capacity) [[unlikely]]
    depots[size].give(mine, block_bytes(size));
  mine.blocks[mine.count++] = block;
}

}  // namespace weft::base
