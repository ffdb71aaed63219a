#pragma once

#include <atomic>
#include <cstddef>

#include <weft/stack/detail/stack_pool.hpp>

#include "weft/stack/detail/memory.hpp"

namespace weft::stack {

/// A stretch of address space that stacks are carved out of, from the lowest up: guard, stack, guard, stack … and,
/// after them all, their descriptors: a page that a stack and its descriptor shared would be touched for each.
class reservation {
 public:
  /// begin() is null, and errno set, when the kernel refuses.
  /// Throws std::bad_alloc.
  reservation(std::size_t stack_count, std::size_t stack_bytes);
  ~reservation();
  reservation(const reservation&) = delete;
  reservation& operator=(const reservation&) = delete;

  [[nodiscard]] std::byte* begin() const noexcept { return space_.begin(); }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] std::size_t stride_bytes() const noexcept { return memory::guard_bytes() + stack_bytes_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return count_ * stride_bytes(); }

  /// Where guard `index` begins; its stack follows.
  [[nodiscard]] std::byte* guard(std::size_t index) const noexcept { return begin() + index * stride_bytes(); }

  /// Where the descriptor of stack `index` lies or will lie.
  [[nodiscard]] slot* descriptor(std::size_t index) const noexcept {
    return reinterpret_cast<slot*>(begin() + bytes()) + index;
  }

  /// So many stacks, from the lowest up, have a guard and a descriptor. The pool's growth lock guards writing it; a
  /// signal handler reads it.
  std::atomic<std::size_t> carved = 0;

 private:
  const std::size_t count_;
  const std::size_t stack_bytes_;
  const memory::address_space space_;
};

}  // namespace weft::stack
