#pragma once

#include <cstddef>
#include <memory>

#include <weft/stack/stack_pool.hpp>

#include <stack/memory.hpp>

namespace weft::stack {

/// A stretch of address space that stacks are carved out of, from the lowest up: guard, stack, guard, stack … The
/// descriptors lie apart, since a page that they shared with a stack would be touched for each.
struct reservation {
  reservation(std::byte* address, std::size_t stack_count, std::size_t stack_stride_bytes)
      : begin(address),
        count(stack_count),
        stride_bytes(stack_stride_bytes),
        descriptors(std::make_unique_for_overwrite<std::byte[]>(stack_count * sizeof(slot))) {}

  ~reservation() { memory::unreserve(begin, count * stride_bytes); }

  reservation(const reservation&) = delete;
  reservation& operator=(const reservation&) = delete;

  /// Where the descriptor of stack `index` lies or will lie.
  [[nodiscard]] slot* descriptor(std::size_t index) const noexcept {
    return reinterpret_cast<slot*>(descriptors.get()) + index;
  }

  std::byte* begin;
  std::size_t count;
  std::size_t stride_bytes;  // a guard page and a stack
  std::size_t carved = 0;    // so many of them have a guard and a descriptor
  std::unique_ptr<std::byte[]> descriptors;
};

}  // namespace weft::stack
