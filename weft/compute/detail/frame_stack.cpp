#include <weft/compute/detail/frame_stack.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

namespace weft::detail {

struct alignas(frame_stack::alignment) frame_stack::segment {
  segment* below = nullptr;
  segment* above = nullptr;  // kept, and unused
  std::byte* end = nullptr;
  std::byte* top_when_left = nullptr;
  std::byte* lowest = nullptr;  // the frame for which it became the present one

  [[nodiscard]] std::byte* begin() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
  [[nodiscard]] std::size_t capacity() noexcept { return static_cast<std::size_t>(end - begin()); }
};

// A little less than whole pages: malloc needs some for itself.
static constexpr std::size_t first_segment = 4096 - 64;

frame_stack::~frame_stack() {
  if (!present_) return;
  std::free(present_->above);
  for (auto* each = present_; each;) std::free(std::exchange(each, each->below));
}

frame_stack::window frame_stack::saved() const noexcept {
  if (!present_) return {};
  return {.top = top_, .base = present_->lowest, .limit = present_->end};
}

frame_stack::segment* frame_stack::make_segment(std::size_t bytes, segment* below) noexcept {
  auto wanted = below ? std::max(2 * below->capacity(), bytes) : std::max(first_segment - sizeof(segment), bytes);
  void* memory = std::aligned_alloc(alignment, wanted + sizeof(segment));
  if (!memory) return nullptr;
  auto* made = new (memory) segment{.below = below};
  made->end = made->begin() + wanted;
  return made;
}

bool frame_stack::grow(std::byte* top, std::size_t bytes, std::size_t frame_alignment) noexcept {
  bytes += frame_alignment - alignment;  // what may lie before it
  auto* next = present_ ? present_->above : nullptr;
  if (next && next->capacity() < bytes) {
    std::free(std::exchange(next, nullptr));
    present_->above = nullptr;
  }
  if (!next) next = make_segment(bytes, present_);
  if (!next) return false;
  if (present_) {
    present_->above = next;
    present_->top_when_left = top;
  }
  present_ = next;
  const auto begin = reinterpret_cast<std::uintptr_t>(next->begin());
  top_ = next->lowest = next->begin() + ((begin + frame_alignment - 1) / frame_alignment * frame_alignment - begin);
  return true;
}

bool frame_stack::shrink() noexcept {
  auto* below = present_->below;
  if (!below) return false;
  std::free(std::exchange(present_->above, nullptr));
  present_ = below;
  top_ = below->top_when_left;
  return true;
}

}  // namespace weft::detail
