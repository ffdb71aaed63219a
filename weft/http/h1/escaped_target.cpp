#include "weft/http/h1/escaped_target.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace weft::http::detail {
namespace {

constexpr auto target_characters = [] {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view{"-._~!$&'()*+,;=:@/?"}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool is_hex(char c) noexcept { return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f'); }

/// Whether the character at `place` goes out as it is.
bool stays(std::string_view target, std::size_t place) noexcept {
  if (target[place] != '%') return target_characters[static_cast<unsigned char>(target[place])];
  return target.size() - place >= 3 && is_hex(target[place + 1]) && is_hex(target[place + 2]);
}

bool is_host_character(char c) noexcept {
  return is_token_character(c) && c != '%' && c != '#' && c != '^' && c != '`' && c != '|';
}

}  // namespace

bool is_escaped_target(std::string_view target) noexcept {
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (!stays(target, i)) return false;
  }
  return true;
}

std::string escaped_target(std::string_view target) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string escaped;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (stays(target, i)) {
      escaped += target[i];
      continue;
    }
    auto value = static_cast<unsigned char>(target[i]);
    escaped += '%';
    escaped += digits[value >> 4];
    escaped += digits[value & 15];
  }
  return escaped;
}

bool is_host(std::string_view host) noexcept {
  if (host.empty()) return false;
  if (host.find(':') == std::string_view::npos) return std::ranges::all_of(host, is_host_character);
  return std::ranges::all_of(host, [](char c) { return is_hex(c) || c == ':' || c == '.'; });
}

}  // namespace weft::http::detail
