#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

// What the protocol's grammar asks of characters and words (RFC 9110, 5.6; RFC 3986).
namespace weft::http::detail {

[[nodiscard]] constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

[[nodiscard]] constexpr bool is_control(char c) noexcept {
  auto value = static_cast<unsigned char>(c);
  return value < 0x20 || value == 0x7f;
}

/// By character: whether a method or field name may have it.
inline constexpr auto token_characters = [] {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view{"!#$%&'*+-.^_`|~"}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

[[nodiscard]] constexpr bool is_token_character(char c) noexcept {
  return token_characters[static_cast<unsigned char>(c)];
}

/// Whether `text` is one or more token characters.
[[nodiscard]] bool is_token(std::string_view text) noexcept;

/// How many characters `text` has before the first that a field's value may not have: a control character but the tab.
[[nodiscard]] std::size_t field_value_length(std::string_view text) noexcept;

/// Whether `text` may be a field's value, so that it has no line break.
[[nodiscard]] bool is_field_value(std::string_view text) noexcept;

[[nodiscard]] bool is_valid_utf8(std::string_view text) noexcept;

/// A number of decimal digits only, at most `max`.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view digits) noexcept;

/// What `plus` means in percent-encoded text.
enum class plus_sign { itself, space };

/// The number of bytes that `text` decodes to, written to `into`, which has room for text.size(); none when an escape
/// is not two hexadecimal digits.
[[nodiscard]] std::optional<std::size_t> percent_decode(std::string_view text, plus_sign plus, char* into) noexcept;

/// `text` as the inside of a JSON string. Bytes that are not UTF-8 become U+FFFD.
void append_json_escaped(std::string& into, std::string_view text);

}  // namespace weft::http::detail
