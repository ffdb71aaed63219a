#pragma once

#include <cstddef>

#include <weft/base/detail/spin_lock.hpp>

namespace weft::base {

inline constexpr std::size_t slab_bytes = std::size_t{16} * 1024;

/// Pieces of memory of slab_bytes each, aligned to as much. One that is given back takes no memory any more; its
/// address space is kept for the next, so that mappings do not break up.
/// Thread: any.
class slab_source {
 public:
  constexpr slab_source() = default;
  slab_source(const slab_source&) = delete;
  slab_source& operator=(const slab_source&) = delete;

  /// Null: there is no memory.
  [[nodiscard]] void* take() noexcept;

  /// Takes back `count` slabs that take() returned and that lie side by side. Their contents are lost.
  void give_back(void* first, std::size_t count) noexcept;

  [[nodiscard]] std::size_t reserved_bytes() const noexcept;

 private:
  struct chunk;

  [[nodiscard]] static void* map_aligned() noexcept;
  [[nodiscard]] void* take_from(chunk& from) noexcept;

  mutable spin_lock lock_;  // guards all below
  chunk* with_bare_ = nullptr;
  std::size_t chunk_count_ = 0;
};

}  // namespace weft::base
