#pragma once

#include <optional>
#include <string_view>

namespace weft::http::detail {

/// The two parts of "host:port", as they were sent.
struct authority {
  std::string_view host;  ///< an address literal keeps its brackets
  std::string_view port;  ///< digits of a number up to 65535; empty when there is none
};

/// Takes `text` apart by the grammar of RFC 3986, 3.2: a registered name, an IPv4 address, or an IPv6 or later address
/// in brackets, then an optional port. None when `text` is anything else. Stricter than the grammar in two points: the
/// host is not empty, and a name has no comma, since programs join fields that are there twice with one.
[[nodiscard]] std::optional<authority> parse_authority(std::string_view text) noexcept;

}  // namespace weft::http::detail
