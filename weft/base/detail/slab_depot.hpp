#pragma once

#include <cstddef>

#include <weft/base/detail/block_cache.hpp>
#include <weft/base/detail/spin_lock.hpp>

#include "weft/base/detail/slab_source.hpp"

namespace weft::base {

/// All blocks of one size that no thread keeps. They lie in slabs, so that memory can be given back when all blocks of
/// a slab are here. A block is aligned to the largest power of two, up to slab_bytes / 16, that divides its size.
///
///   in use     some blocks are out and some here: in `partial_`; or all out: in no list
///   idle       all blocks are here: in `idle_`. Taken from last
///   given back to the source, after a while
///
/// Thread: any.
class alignas(64) slab_depot {
 public:
  constexpr slab_depot(slab_source& source, std::size_t block_bytes) noexcept
      : source_{source}, block_bytes_{block_bytes} {}

  /// Writes at most `count` blocks to `into`, and says how many. 0: there is no memory.
  [[nodiscard]] std::size_t take(void** into, std::size_t count) noexcept;

  /// Takes `count` blocks back.
  void give(void* const* blocks, std::size_t count) noexcept;

  /// Gives idle slabs back to the source, but for a few. True: there may be more later.
  bool give_back_idle(idleness which) noexcept;

  struct counts {
    std::size_t all = 0, idle = 0;
  };
  [[nodiscard]] counts slabs() const noexcept;

 private:
  struct slab;
  struct list {
    slab* first = nullptr;
    slab* last = nullptr;
    void push(slab& one) noexcept;
    void remove(slab& one) noexcept;
  };

  [[nodiscard]] std::size_t first_block_at() const noexcept;
  [[nodiscard]] bool has_blocks(const slab& one) const noexcept;
  [[nodiscard]] std::size_t take_from(slab& from, void** into, std::size_t count) noexcept;
  [[nodiscard]] slab* any_with_blocks() noexcept;
  void give_one(void* block) noexcept;
  [[nodiscard]] std::size_t take_idle(slab** into, std::size_t count) noexcept;
  void give_to_source(slab** slabs, std::size_t count) noexcept;

  static constexpr std::size_t always_kept = 4;

  slab_source& source_;
  const std::size_t block_bytes_;
  mutable spin_lock lock_;  // guards all below, and the slabs
  list partial_, idle_;
  std::size_t slab_count_ = 0, idle_count_ = 0;
  std::size_t least_idle_ = 0;  // since give_back_idle() was last called
};

}  // namespace weft::base
