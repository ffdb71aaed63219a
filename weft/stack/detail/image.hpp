#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weft::stack {

/// What is kept of a stack that was put away: for each word, from the lowest live one to the stack's top, a kind, and
/// as many bytes as that takes. Most words are zero, or addresses nearby.
struct image {
  image* next;           // in the pool's list of those that are not needed any more
  std::uint32_t words;   // from the lowest live one to the stack's top
  std::uint32_t packed;  // bytes that they take

  static constexpr std::size_t word_bytes = sizeof(std::uint64_t);
  static constexpr std::size_t most_words = 8 * 1024;

  /// near: an address, or a number, at most 2^31 from `base`. short: less than 2^48, as all addresses are.
  enum class kind : std::uint8_t { zero, near, short_, full };

  [[nodiscard]] static kind kind_of(std::uint64_t word, std::uint64_t base) noexcept {
    if (word == 0) return kind::zero;
    const auto distance = static_cast<std::int64_t>(word - base);
    if (distance == static_cast<std::int32_t>(distance)) return kind::near;
    return word >> 48 == 0 ? kind::short_ : kind::full;
  }
  [[nodiscard]] static std::size_t packed_bytes(kind of) noexcept {
    constexpr std::size_t bytes[] = {0, 4, 6, 8};
    return bytes[static_cast<std::size_t>(of)];
  }

  static constexpr std::size_t kinds_in_a_word = 32;
  [[nodiscard]] static constexpr std::size_t map_words(std::size_t words) noexcept {
    return (words + kinds_in_a_word - 1) / kinds_in_a_word;
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return sizeof(image) + map_words(words) * word_bytes + packed; }

  /// Two bits a word, the lowest first; then their bytes.
  [[nodiscard]] std::uint64_t* map() noexcept { return reinterpret_cast<std::uint64_t*>(this + 1); }
  [[nodiscard]] const std::uint64_t* map() const noexcept { return reinterpret_cast<const std::uint64_t*>(this + 1); }
  [[nodiscard]] kind kind_at(std::size_t word) const noexcept {
    return static_cast<kind>(map()[word / kinds_in_a_word] >> word % kinds_in_a_word * 2 & 3);
  }
  [[nodiscard]] std::byte* values() noexcept { return reinterpret_cast<std::byte*>(map() + map_words(words)); }
  [[nodiscard]] const std::byte* values() const noexcept {
    return reinterpret_cast<const std::byte*>(map() + map_words(words));
  }
};

/// Writes `word`, of that kind, in as many bytes as it takes: the lowest ones, of its distance if it is near.
inline void pack(std::byte* to, std::uint64_t word, image::kind kind, std::uint64_t base) noexcept {
  const std::uint64_t value = kind == image::kind::near ? word - base : word;
  const auto low = static_cast<std::uint32_t>(value);
  const auto middle = static_cast<std::uint16_t>(value >> 32);
  switch (kind) {
    case image::kind::zero: return;
    case image::kind::near: std::memcpy(to, &low, sizeof low); return;
    case image::kind::short_:
      std::memcpy(to, &low, sizeof low);
      std::memcpy(to + sizeof low, &middle, sizeof middle);
      return;
    case image::kind::full: std::memcpy(to, &value, sizeof value); return;
  }
}

[[nodiscard]] inline std::uint64_t unpack(const std::byte* from, image::kind kind, std::uint64_t base) noexcept {
  std::uint32_t low = 0;
  std::uint16_t middle = 0;
  std::uint64_t value = 0;
  switch (kind) {
    case image::kind::zero: return 0;
    case image::kind::near:
      std::memcpy(&low, from, sizeof low);
      return base + static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(low)));
    case image::kind::short_:
      std::memcpy(&low, from, sizeof low);
      std::memcpy(&middle, from + sizeof low, sizeof middle);
      return low | std::uint64_t{middle} << 32;
    case image::kind::full: std::memcpy(&value, from, sizeof value); return value;
  }
  return 0;
}

}  // namespace weft::stack
