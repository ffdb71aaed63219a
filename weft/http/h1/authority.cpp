#include "weft/http/h1/authority.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "weft/http/h1/text.hpp"

namespace weft::http::detail {
namespace {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_hex_digit(char c) noexcept { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); }

/// The characters of a registered name that stand for themselves: unreserved and sub-delims, but for the comma.
constexpr auto name_characters = [] {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view{"-._~!$&'()*+;="}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool is_name_character(char c) noexcept { return name_characters[static_cast<unsigned char>(c)]; }

bool is_registered_name(std::string_view text) noexcept {
  if (text.empty()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_name_character(text[i])) continue;
    if (text[i] != '%' || text.size() - i < 3 || !is_hex_digit(text[i + 1]) || !is_hex_digit(text[i + 2])) return false;
    i += 2;
  }
  return true;
}

/// Four numbers up to 255 without leading zeros.
bool is_ipv4_address(std::string_view text) noexcept {
  for (int part = 0; part < 4; ++part) {
    auto end = part < 3 ? text.find('.') : text.size();
    if (end == std::string_view::npos || end == 0 || end > 3) return false;
    auto digits = text.substr(0, end);
    if (!std::ranges::all_of(digits, is_digit) || (end > 1 && digits.front() == '0')) return false;
    if (*parse_decimal(digits) > 255) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return text.empty();
}

/// How many of the eight groups of an IPv6 address `text` holds, separated by single colons; none when it is malformed.
/// `may_end_in_ipv4` lets the last two be written as an IPv4 address.
std::optional<int> count_groups(std::string_view text, bool may_end_in_ipv4) noexcept {
  int groups = 0;
  for (bool more = !text.empty(); more;) {
    auto end = text.find(':');
    more = end != std::string_view::npos;
    auto group = text.substr(0, end);
    if (!more && may_end_in_ipv4 && is_ipv4_address(group)) return groups + 2;
    if (group.empty() || group.size() > 4 || !std::ranges::all_of(group, is_hex_digit)) return std::nullopt;
    ++groups;
    if (more) text.remove_prefix(end + 1);
  }
  return groups;
}

bool is_ipv6_address(std::string_view text) noexcept {
  constexpr int all_groups = 8;
  auto gap = text.find("::");
  if (gap == std::string_view::npos) return count_groups(text, true) == all_groups;
  auto before = count_groups(text.substr(0, gap), false);
  auto after = count_groups(text.substr(gap + 2), true);
  return before && after && *before + *after < all_groups;
}

/// "v", a version in hexadecimal digits, ".", and an address in a form that nobody has defined yet.
bool is_later_address(std::string_view text) noexcept {
  if (text.empty() || lower(text.front()) != 'v') return false;
  auto dot = text.find('.');
  if (dot == std::string_view::npos || dot < 2 || dot + 1 == text.size()) return false;
  auto is_address_character = [](char c) { return is_name_character(c) || c == ':' || c == ','; };
  return std::ranges::all_of(text.substr(1, dot - 1), is_hex_digit) &&
         std::ranges::all_of(text.substr(dot + 1), is_address_character);
}

}  // namespace

std::optional<authority> parse_authority(std::string_view text) noexcept {
  std::size_t host_end = 0;
  if (text.starts_with('[')) {
    host_end = text.find(']');
    if (host_end == std::string_view::npos) return std::nullopt;
    auto address = text.substr(1, host_end - 1);
    if (!is_ipv6_address(address) && !is_later_address(address)) return std::nullopt;
    ++host_end;
  } else {
    host_end = std::min(text.find(':'), text.size());
    if (!is_registered_name(text.substr(0, host_end))) return std::nullopt;
  }
  authority parts{.host = text.substr(0, host_end), .port = {}};
  if (host_end == text.size()) return parts;
  if (text[host_end] != ':') return std::nullopt;
  parts.port = text.substr(host_end + 1);
  if (parts.port.empty()) return parts;
  constexpr std::uint64_t largest_port = 65535;
  auto number = parse_decimal(parts.port);  // digits only: no sign
  if (!number || *number > largest_port) return std::nullopt;
  return parts;
}

}  // namespace weft::http::detail
