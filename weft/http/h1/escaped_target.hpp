#pragma once

#include <string>
#include <string_view>

#include "weft/http/h1/text.hpp"

namespace weft::http::detail {

/// What ends a request line, or one of its words.
[[nodiscard]] constexpr bool breaks_request_line(char c) noexcept { return is_control(c) || c == ' '; }

/// Whether all of `target` may stand in a path or query (RFC 3986, 3.3 and 3.4).
[[nodiscard]] bool is_escaped_target(std::string_view target) noexcept;

/// `target`, with what may not stand there percent-encoded; a percent sign only where it begins no escape.
[[nodiscard]] std::string escaped_target(std::string_view target);

/// Whether `host` is a name, an IPv4 address, or an IPv6 address without its brackets.
[[nodiscard]] bool is_host(std::string_view host) noexcept;

}  // namespace weft::http::detail
