#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gallery {

/// A photo's name: 128 random bits, written as 32 lower-case hexadecimal digits. Whatever holds one can be part of a
/// path: it has no other characters.
class photo_id {
 public:
  static constexpr std::size_t length = 32;

  [[nodiscard]] static std::optional<photo_id> parse(std::string_view text) noexcept {
    const auto is_digit = [](char each) { return (each >= '0' && each <= '9') || (each >= 'a' && each <= 'f'); };
    if (text.size() != length || !std::ranges::all_of(text, is_digit)) return std::nullopt;
    photo_id result;
    std::ranges::copy(text, result.digits_.begin());
    return result;
  }

  /// A new one that nobody can guess.
  /// Thread: any.
  [[nodiscard]] static photo_id random();

  [[nodiscard]] std::string_view text() const noexcept { return {digits_.data(), digits_.size()}; }

  auto operator<=>(const photo_id&) const = default;

 private:
  photo_id() = default;
  std::array<char, length> digits_;
};

}  // namespace gallery
