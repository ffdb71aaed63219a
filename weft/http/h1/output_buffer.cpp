#include "weft/http/h1/output_buffer.hpp"

#include <algorithm>

namespace weft::http::detail {

void output_buffer::grow(std::size_t bytes) {
  constexpr std::size_t smallest = 1024;
  auto capacity = std::max({smallest, 2 * capacity_, size_ + bytes});
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ > 0) std::memcpy(larger.get(), block_.get(), size_);
  block_ = std::move(larger);
  capacity_ = capacity;
}

}  // namespace weft::http::detail
