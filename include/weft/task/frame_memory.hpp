#pragma once

#include <algorithm>
#include <cstddef>
#include <new>

#include <weft/base/block_cache.hpp>

namespace weft::detail {

/// What a coroutine's promise derives from so that its frame comes from the cache of blocks.
///
/// A frame's alignment is known only to Clang with -fcoro-aligned-allocation, which passes it. Otherwise a frame is
/// aligned to 64 bytes, to its promise's alignment, and to what its size tells: see base::alignment_of_frame().
/// Thread: any.
template <class Promise>
struct frame_memory {
  [[nodiscard]] static void* operator new(std::size_t bytes) {
    if constexpr (alignof(Promise) <= base::frame_alignment) {
      return base::allocate_frame(bytes);
    } else {
      return ::operator new(bytes, alignment_of(bytes));
    }
  }
  static void operator delete(void* frame, std::size_t bytes) noexcept {
    if constexpr (alignof(Promise) <= base::frame_alignment) {
      base::release_frame(frame, bytes);
    } else {
      ::operator delete(frame, alignment_of(bytes));
    }
  }

  [[nodiscard]] static void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return is_usual(alignment) ? base::allocate_frame(bytes) : ::operator new(bytes, alignment);
  }
  static void operator delete(void* frame, std::size_t bytes, std::align_val_t alignment) noexcept {
    is_usual(alignment) ? base::release_frame(frame, bytes) : ::operator delete(frame, alignment);
  }

 private:
  /// Where that of the promise is more than usual.
  [[nodiscard]] static constexpr std::align_val_t alignment_of(std::size_t bytes) noexcept {
    return std::align_val_t{std::max(alignof(Promise), base::alignment_of_frame(bytes))};
  }
  [[nodiscard]] static constexpr bool is_usual(std::align_val_t alignment) noexcept {
    return static_cast<std::size_t>(alignment) <= base::frame_alignment;
  }
};

}  // namespace weft::detail
