#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::stack {

/// What is kept of a stack that was put away: which of its highest words are not zero, and those.
struct image {
  image* next;          // in the pool's list of those that are not needed any more
  std::uint32_t words;  // from the lowest live one to the stack's top
  std::uint32_t kept;   // those that are not zero

  static constexpr std::size_t word_bytes = sizeof(std::uint64_t);
  static constexpr std::size_t most_words = 8 * 1024;

  [[nodiscard]] static constexpr std::size_t map_words(std::size_t words) noexcept { return (words + 63) / 64; }
  [[nodiscard]] std::size_t bytes() const noexcept { return sizeof(image) + (map_words(words) + kept) * word_bytes; }

  /// A bit for each word, the lowest first, set where it is kept; then the kept ones.
  [[nodiscard]] std::uint64_t* map() noexcept { return reinterpret_cast<std::uint64_t*>(this + 1); }
  [[nodiscard]] const std::uint64_t* map() const noexcept { return reinterpret_cast<const std::uint64_t*>(this + 1); }
  [[nodiscard]] const std::uint64_t* values() const noexcept { return map() + map_words(words); }
};

}  // namespace weft::stack
