#pragma once

#include <cstddef>

#include <weft/base/detail/block_cache.hpp>

namespace weft::detail {

class fork_root;

/// Memory for the frames of coroutines that come and go last in, first out: segments, each twice as large as the one
/// below, of which one above the present one is kept. Segmented stacks for fork-join frames are libfork's idea
/// (Williams and Elliott, "Libfork: portable continuation-stealing with stackless coroutines", 2024).
/// Thread: owner; the carrier that uses it keeps the top in its own fields.
class frame_stack {
 public:
  /// Of each frame, but those that say otherwise by their size, or are said to be.
  static constexpr std::size_t alignment = base::frame_alignment;

  frame_stack() = default;
  frame_stack(const frame_stack&) = delete;
  frame_stack& operator=(const frame_stack&) = delete;
  ~frame_stack();

  /// The free part of the present segment, and where its lowest frame lies; all null before the first.
  struct window {
    std::byte* top = nullptr;
    std::byte* base = nullptr;
    std::byte* limit = nullptr;
  };

  [[nodiscard]] window saved() const noexcept;
  void save(std::byte* top) noexcept { top_ = top; }

  /// Goes on in a segment with room for a frame of `bytes`, aligned to `frame_alignment`; `top` is where the present
  /// one is left. False: no memory.
  [[nodiscard]] bool grow(std::byte* top, std::size_t bytes, std::size_t frame_alignment) noexcept;
  /// The present segment has become empty: goes back to the one below. False: there is none.
  [[nodiscard]] bool shrink() noexcept;

  /// Whose frames lie here.
  fork_root* root = nullptr;
  /// The next in a carrier's list of unused stacks.
  frame_stack* next_unused = nullptr;

 private:
  struct segment;
  [[nodiscard]] static segment* make_segment(std::size_t bytes, segment* below) noexcept;

  segment* present_ = nullptr;
  std::byte* top_ = nullptr;
};

}  // namespace weft::detail
