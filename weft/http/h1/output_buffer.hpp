#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace weft::http::detail {

/// Bytes on their way out. Grows, and is reused.
/// Thread: the connection's.
class output_buffer {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::string_view text() const noexcept { return {block_.get(), size_}; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return std::as_bytes(std::span{block_.get(), size_});
  }

  void append(std::string_view piece) {
    if (piece.empty()) return;
    std::memcpy(room(piece.size()), piece.data(), piece.size());
    size_ += piece.size();
  }

  void append_number(std::uint64_t value) {
    constexpr std::size_t most_digits = 20;
    char* begin = room(most_digits);
    size_ += static_cast<std::size_t>(std::to_chars(begin, begin + most_digits, value).ptr - begin);
  }

  /// Replaces what is at `place`, which was appended before.
  void overwrite(std::size_t place, std::string_view piece) noexcept {
    std::memcpy(block_.get() + place, piece.data(), piece.size());
  }

  /// Empties it; memory beyond `keep_bytes` is given back.
  void clear(std::size_t keep_bytes = 16 * 1024) noexcept {
    size_ = 0;
    if (capacity_ > keep_bytes) {
      block_.reset();
      capacity_ = 0;
    }
  }

 private:
  char* room(std::size_t bytes) {
    if (capacity_ - size_ < bytes) grow(bytes);
    return block_.get() + size_;
  }

  void grow(std::size_t bytes);

  std::unique_ptr<char[]> block_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace weft::http::detail
