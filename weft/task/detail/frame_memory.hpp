#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

#include <weft/base/detail/block_cache.hpp>

namespace weft::detail {

/// What a coroutine's promise derives from so that its frame comes from the cache of blocks.
///
/// A frame's alignment is known only to Clang with -fcoro-aligned-allocation, which passes it. Otherwise a frame is
/// aligned to 64 bytes, to its promise's alignment, and to what its size tells: see base::alignment_of_frame().
/// Thread: any.
template <class Promise, std::size_t PromiseAlignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__>
struct frame_memory {
  [[nodiscard]] static void* operator new(std::size_t bytes) { return base::allocate_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { base::release_frame(frame, bytes); }

  [[nodiscard]] static void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return is_usual(alignment) ? base::allocate_frame(bytes) : ::operator new(bytes, alignment);
  }
  static void operator delete(void* frame, std::size_t bytes, std::align_val_t alignment) noexcept {
    is_usual(alignment) ? base::release_frame(frame, bytes) : ::operator delete(frame, alignment);
  }

 private:
  [[nodiscard]] static constexpr bool is_usual(std::align_val_t alignment) noexcept {
    return static_cast<std::size_t>(alignment) <= base::frame_alignment;
  }
};

/// Where the promise is over-aligned, Clang takes an operator delete with an alignment for its own, with the option or
/// without, and passes none. So there is none, and the one that there is need not know the alignment.
template <class Promise, std::size_t PromiseAlignment>
  requires(PromiseAlignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
struct frame_memory<Promise, PromiseAlignment> {
  [[nodiscard]] static void* operator new(std::size_t bytes) {
    return operator new(bytes, std::align_val_t{base::alignment_of_frame(bytes)});
  }
  [[nodiscard]] static void* operator new(std::size_t bytes, std::align_val_t alignment) {
    const std::size_t larger = std::max(static_cast<std::size_t>(alignment), PromiseAlignment);
    void* frame = std::aligned_alloc(larger, (bytes + larger - 1) / larger * larger);
    if (!frame) throw std::bad_alloc{};
    return frame;
  }
  static void operator delete(void* frame, std::size_t) noexcept { std::free(frame); }
};

}  // namespace weft::detail
