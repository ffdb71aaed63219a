#include "weft/http/h1/input_buffer.hpp"

#include <algorithm>
#include <cstring>

namespace weft::http::detail {
namespace {

constexpr std::size_t usual_capacity = 4096;

}  // namespace

std::span<std::byte> input_buffer::make_room(std::size_t bytes) {
  auto unread_bytes = end_ - begin_;
  if (unread_bytes == 0) begin_ = end_ = pinned_;
  if (capacity_ - end_ < bytes && capacity_ - pinned_ - unread_bytes >= bytes) {
    std::memmove(block_.get() + pinned_, block_.get() + begin_, unread_bytes);
    begin_ = pinned_;
    end_ = pinned_ + unread_bytes;
  } else if (capacity_ - end_ < bytes) {
    auto capacity = std::max({usual_capacity, unread_bytes + bytes, 2 * unread_bytes});
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (unread_bytes > 0) std::memcpy(larger.get(), block_.get() + begin_, unread_bytes);
    if (pinned_ > 0) retired_.push_back(std::move(block_));
    block_ = std::move(larger);
    capacity_ = capacity;
    pinned_ = begin_ = 0;
    end_ = unread_bytes;
  }
  return std::as_writable_bytes(std::span{block_.get() + end_, capacity_ - end_});
}

void input_buffer::unpin() noexcept {
  pinned_ = 0;
  if (!retired_.empty()) retired_.clear();
  if (begin_ != end_) return;
  begin_ = end_ = 0;
  if (capacity_ > usual_capacity) {  // one large message does not make a connection large for ever
    block_.reset();
    capacity_ = 0;
  }
}

}  // namespace weft::http::detail
