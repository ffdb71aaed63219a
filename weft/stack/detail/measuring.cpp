#include <algorithm>

#include <weft/stack/detail/stack_pool.hpp>

#include "weft/stack/detail/memory.hpp"

// CMake compiles this file without a sanitizer's instrumentation: hibernation calls it while others may be stopped on
// the stack. See hibernation.hpp.

namespace weft::stack {

void slot::begin_measuring() noexcept {
  memory::drop(bottom_, pool_->stack_bytes());
  is_measured_ = true;
  most_touched_bytes_ = 0;
}

void slot::measure() noexcept {
  std::byte* end = bottom_ + pool_->stack_bytes();
  const auto touched = static_cast<std::size_t>(end - memory::first_resident(bottom_, end));
  most_touched_bytes_ = std::max(most_touched_bytes_, touched);
}

std::size_t slot::end_measuring() noexcept {
  measure();
  is_measured_ = false;
  return most_touched_bytes_;
}

}  // namespace weft::stack
