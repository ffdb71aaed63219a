#include "weft/http/h1/text.hpp"

#include <weft/http/header_field.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace weft::http {

bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept {
  return left.size() == right.size() && std::equal(left.begin(), left.end(), right.begin(),
                                                   [](char a, char b) { return detail::lower(a) == detail::lower(b); });
}

std::optional<std::string_view> find_field(std::span<const header_field> fields, std::string_view name) noexcept {
  for (const auto& field : fields) {
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

namespace detail {
namespace {

constexpr int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The length of the well-formed UTF-8 sequence that `text` begins with (Unicode, table 3-7); 0 when it does not.
std::size_t utf8_sequence_length(std::string_view text) noexcept {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    unsigned low = first == 0xe0 ? 0xa0 : 0x80;
    unsigned high = first == 0xed ? 0x9f : 0xbf;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    unsigned low = first == 0xf0 ? 0x90 : 0x80;
    unsigned high = first == 0xf4 ? 0x8f : 0xbf;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool is_token(std::string_view text) noexcept { return !text.empty() && std::ranges::all_of(text, is_token_character); }

std::size_t field_value_length(std::string_view text) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t high_bits = 0x80 * ones;
  std::size_t length = 0;
  auto is_good = [](char c) { return !is_control(c) || c == '\t'; };
  for (;;) {
    // Eight characters at a time, by their bits: none is below a blank, and none is DEL.
    for (; text.size() - length >= sizeof ones; length += sizeof ones) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + length, sizeof word);
      auto below_blank = (word - 0x20 * ones) & ~word;
      auto del = (word ^ (0x7f * ones)) - ones;
      if (((below_blank | (del & ~(word ^ (0x7f * ones)))) & high_bits) != 0) break;
    }
    auto end = std::min(text.size(), length + sizeof ones);
    while (length < end && is_good(text[length])) ++length;
    if (length < end || length == text.size()) return length;
  }
}

bool is_field_value(std::string_view text) noexcept { return field_value_length(text) == text.size(); }

bool is_valid_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    auto length = utf8_sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::optional<std::uint64_t> parse_decimal(std::string_view digits) noexcept {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<std::size_t> percent_decode(std::string_view text, plus_sign plus, char* into) noexcept {
  char* out = into;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == plus_sign::space) {
      *out++ = ' ';
    } else if (text[i] != '%') {
      *out++ = text[i];
    } else {
      if (text.size() - i < 3) return std::nullopt;
      int high = hex_value(text[i + 1]);
      int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      *out++ = static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return static_cast<std::size_t>(out - into);
}

void append_json_escaped(std::string& into, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  while (!text.empty()) {
    char c = text.front();
    auto length = utf8_sequence_length(text);
    if (length == 0) {
      into += "\\ufffd";
      length = 1;
    } else if (c == '"' || c == '\\') {
      into += '\\';
      into += c;
    } else if (is_control(c)) {
      into += "\\u00";
      into += digits[static_cast<unsigned char>(c) >> 4];
      into += digits[static_cast<unsigned char>(c) & 15];
    } else {
      into += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

}  // namespace detail
}  // namespace weft::http
