#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::http::detail {

/// A response's head, `text`, as the strict parser takes it, where it is good but for what a client must, or may, put
/// up with (RFC 9112): lines that continue the one before become one, with a space in between (5.2); a status line
/// without a reason gets an empty one (4); a later minor version is read as 1.1 (2.3). None when there is none of
/// these.
[[nodiscard]] std::optional<std::string> amended_head(std::string_view text);

}  // namespace weft::http::detail
