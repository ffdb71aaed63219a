#include "weft/base/detail/slab_source.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include <sys/mman.h>

// Address space comes in chunks, aligned to their size, which are never given back. A chunk's first slab holds what is
// known of the others: a bit each, set while nobody has it.

namespace weft::base {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{4} << 20, slabs_in_chunk = chunk_bytes / slab_bytes;
constexpr std::size_t word_bits = 64;

}  // namespace

struct slab_source::chunk {
  std::array<std::uint64_t, slabs_in_chunk / word_bits> bare;
  chunk* next_with_bare;
  std::size_t bare_count;
};

void* slab_source::map_aligned() noexcept {
  constexpr auto protection = PROT_READ | PROT_WRITE;
  void* mapped = ::mmap(nullptr, 2 * chunk_bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(mapped);
  const auto excess = reinterpret_cast<std::uintptr_t>(begin) % chunk_bytes;
  const auto before = excess == 0 ? 0 : chunk_bytes - excess;
  if (before != 0) ::munmap(begin, before);
  ::munmap(begin + before + chunk_bytes, chunk_bytes - before);
  return begin + before;
}

void* slab_source::take() noexcept {
  {
    std::lock_guard guard{lock_};
    if (with_bare_) return take_from(*with_bare_);
  }
  // Without the lock: the kernel may take its time.
  void* memory = map_aligned();
  if (!memory) return nullptr;
  auto* made = new (memory) chunk{};
  made->bare.fill(~std::uint64_t{0});
  made->bare[0] &= ~std::uint64_t{1};  // what lies here
  made->bare_count = slabs_in_chunk - 1;
  std::lock_guard guard{lock_};
  // A small program is not to pay for a huge page.
  if (chunk_count_++ == 0) ::madvise(memory, chunk_bytes, MADV_NOHUGEPAGE);
  made->next_with_bare = with_bare_;
  with_bare_ = made;
  return take_from(*made);
}

// Under the lock.
void* slab_source::take_from(chunk& from) noexcept {
  std::size_t word = 0;
  while (from.bare[word] == 0) ++word;
  const auto bit = static_cast<std::size_t>(std::countr_zero(from.bare[word]));
  from.bare[word] &= from.bare[word] - 1;
  if (--from.bare_count == 0) with_bare_ = from.next_with_bare;
  return reinterpret_cast<std::byte*>(&from) + (word * word_bits + bit) * slab_bytes;
}

// They are of one chunk: between two chunks lies what is known of the second.
void slab_source::give_back(void* first, std::size_t count) noexcept {
  ::madvise(first, count * slab_bytes, MADV_DONTNEED);
  const auto address = reinterpret_cast<std::uintptr_t>(first);
  auto* owner = reinterpret_cast<chunk*>(address / chunk_bytes * chunk_bytes);
  const auto number = address % chunk_bytes / slab_bytes;
  std::lock_guard guard{lock_};
  for (auto each = number; each != number + count; ++each) {
    owner->bare[each / word_bits] |= std::uint64_t{1} << (each % word_bits);
  }
  if (std::exchange(owner->bare_count, owner->bare_count + count) != 0) return;
  owner->next_with_bare = with_bare_;
  with_bare_ = owner;
}

std::size_t slab_source::reserved_bytes() const noexcept {
  std::lock_guard guard{lock_};
  return chunk_count_ * chunk_bytes;
}

}  // namespace weft::base
