#pragma once

#include <expected>
#include <memory_resource>
#include <string_view>

#include <weft/http/method.hpp>

#include "weft/http/h1/rejection.hpp"

namespace weft::http::detail {

struct request_target {
  std::string_view path;       ///< percent-decoded; begins with '/', or is "*"
  std::string_view query;      ///< as sent, without the '?'
  std::string_view authority;  ///< of the absolute form; empty otherwise
};

/// Takes a request target apart and decodes its path. What could make two programs see two different paths is refused:
/// a bad escape, an escaped '/', '\' or control character, "." and ".." as segments in whichever spelling, text that is
/// not UTF-8. So a decoded path can be split at '/' and names what it seems to name.
/// `memory` holds what had to be decoded; everything else views into `target`.
[[nodiscard]] std::expected<request_target, rejection> parse_request_target(http::method method,
                                                                            std::string_view target,
                                                                            std::pmr::memory_resource& memory);

}  // namespace weft::http::detail
