#pragma once

#include <cstddef>

namespace weft::detail {

class fork_root;

/// Memory for the frames of coroutines that come and go last in, first out: segments, each twice as large as the one
/// below, of which one above the present one is kept. Segmented stacks for fork-join frames are libfork's idea
/// (Williams and Elliott, "Libfork: portable continuation-stealing with stackless coroutines", 2024).
/// Thread: owner; the worker that uses it keeps the top in its own fields.
class frame_stack {
 public:
  static constexpr std::size_t alignment = 16;

  frame_stack() = default;
  frame_stack(const frame_stack&) = delete;
  frame_stack& operator=(const frame_stack&) = delete;
  ~frame_stack();

  /// The free part of the present segment, and where the segment begins; all null before the first.
  struct window {
    std::byte* top = nullptr;
    std::byte* base = nullptr;
    std::byte* limit = nullptr;
  };

  [[nodiscard]] window saved() const noexcept;
  void save(std::byte* top) noexcept { top_ = top; }

  /// Goes on in a segment with room for `bytes`; `top` is where the present one is left. False: no memory.
  [[nodiscard]] bool grow(std::byte* top, std::size_t bytes) noexcept;
  /// The present segment has become empty: goes back to the one below. False: there is none.
  [[nodiscard]] bool shrink() noexcept;

  /// Whose frames lie here.
  fork_root* root = nullptr;
  /// The next in a worker's list of unused stacks.
  frame_stack* next_unused = nullptr;

 private:
  struct segment;
  [[nodiscard]] static segment* make_segment(std::size_t bytes, segment* below) noexcept;

  segment* present_ = nullptr;
  std::byte* top_ = nullptr;
};

}  // namespace weft::detail
