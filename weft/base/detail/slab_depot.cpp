#include "weft/base/detail/slab_depot.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

namespace weft::base {
namespace {

struct free_block {
  free_block* next;
};

constexpr std::size_t header_bytes = 64, largest_alignment = slab_bytes / 16;

}  // namespace

/// What lies at the beginning of a slab.
struct slab_depot::slab {
  slab* next = nullptr;
  slab* before = nullptr;
  free_block* released = nullptr;
  std::uint32_t carved_to = 0;  // where no block has been made yet
  std::uint32_t out = 0;        // how many blocks are not here
};

void slab_depot::list::push(slab& one) noexcept {
  one.before = nullptr;
  one.next = first;
  (first ? first->before : last) = &one;
  first = &one;
}

void slab_depot::list::remove(slab& one) noexcept {
  (one.before ? one.before->next : first) = one.next;
  (one.next ? one.next->before : last) = one.before;
}

bool slab_depot::has_blocks(const slab& one) const noexcept {
  return one.released || one.carved_to + block_bytes_ <= slab_bytes;
}

std::size_t slab_depot::first_block_at() const noexcept {
  static_assert(sizeof(slab) <= header_bytes);
  return std::clamp(block_bytes_ & (~block_bytes_ + 1), header_bytes, largest_alignment);
}

std::size_t slab_depot::take_from(slab& from, void** into, std::size_t count) noexcept {
  std::size_t taken = 0;
  for (; taken < count && from.released; ++taken) into[taken] = std::exchange(from.released, from.released->next);
  for (; taken < count && from.carved_to + block_bytes_ <= slab_bytes; ++taken) {
    into[taken] = reinterpret_cast<std::byte*>(&from) + from.carved_to;
    from.carved_to += static_cast<std::uint32_t>(block_bytes_);
  }
  from.out += static_cast<std::uint32_t>(taken);
  return taken;
}

// Under the lock. Of those that are in use before those that are idle: then those stay so.
slab_depot::slab* slab_depot::any_with_blocks() noexcept {
  if (partial_.first) return partial_.first;
  auto* found = idle_.first;
  if (!found) return nullptr;
  idle_.remove(*found);
  least_idle_ = std::min(least_idle_, --idle_count_);
  partial_.push(*found);
  return found;
}

std::size_t slab_depot::take(void** into, std::size_t count) noexcept {
  std::unique_lock lock{lock_};
  std::size_t taken = 0;
  while (taken < count) {
    auto* from = any_with_blocks();
    if (!from) {
      if (taken != 0) break;
      // Without the lock: the kernel may take its time.
      lock.unlock();
      void* memory = source_.take();
      lock.lock();
      if (!memory) {
        from = any_with_blocks();  // another thread may have released some meanwhile
        if (!from) break;
      } else {
        from = new (memory) slab{.carved_to = static_cast<std::uint32_t>(first_block_at())};
        ++slab_count_;
        partial_.push(*from);
      }
    }
    taken += take_from(*from, into + taken, count - taken);
    if (!has_blocks(*from)) partial_.remove(*from);
  }
  return taken;
}

void slab_depot::give(void* const* blocks, std::size_t count) noexcept {
  std::lock_guard guard{lock_};
  for (std::size_t i = 0; i < count; ++i) give_one(blocks[i]);
}

// Under the lock.
void slab_depot::give_one(void* block) noexcept {
  auto address = reinterpret_cast<std::uintptr_t>(block);
  auto& home = *reinterpret_cast<slab*>(address / slab_bytes * slab_bytes);
  if (!has_blocks(home)) partial_.push(home);
  home.released = new (block) free_block{home.released};
  if (--home.out != 0) return;
  partial_.remove(home);
  new (&home) slab{.carved_to = static_cast<std::uint32_t>(first_block_at())};  // as if none had been made
  idle_.push(home);
  ++idle_count_;
}

/// The coldest of those that are idle, but for a few.
std::size_t slab_depot::take_idle(slab** into, std::size_t count) noexcept {
  std::size_t taken = 0;
  std::lock_guard guard{lock_};
  for (; taken < count && idle_count_ > always_kept; --idle_count_) {
    into[taken] = idle_.last;
    idle_.remove(*into[taken++]);
  }
  slab_count_ -= taken;
  least_idle_ = std::min(least_idle_, idle_count_);
  return taken;
}

/// In as few calls as there are gaps between them.
void slab_depot::give_to_source(slab** slabs, std::size_t count) noexcept {
  std::sort(slabs, slabs + count);
  auto address = [](slab* each) { return reinterpret_cast<std::byte*>(each); };
  for (std::size_t first = 0, i = 1; i <= count; ++i) {
    if (i < count && address(slabs[i]) == address(slabs[i - 1]) + slab_bytes) continue;
    source_.give_back(slabs[first], i - first);
    first = i;
  }
}

bool slab_depot::give_back_idle(idleness which) noexcept {
  std::size_t going = 0;
  {
    std::lock_guard guard{lock_};
    const auto idle = std::exchange(least_idle_, idle_count_);
    going = which == idleness::now ? idle_count_ : std::min(idle, idle_count_);
    going -= std::min(going, always_kept);
  }
  // Some at a time, without the lock: the others can still be taken.
  while (going != 0) {
    std::array<slab*, 128> some;
    const auto count = take_idle(some.data(), std::min(going, some.size()));
    if (count == 0) break;
    give_to_source(some.data(), count);
    going -= count;
  }
  std::lock_guard guard{lock_};
  return idle_count_ > always_kept;
}

slab_depot::counts slab_depot::slabs() const noexcept {
  std::lock_guard guard{lock_};
  return {.all = slab_count_, .idle = idle_count_};
}

}  // namespace weft::base
