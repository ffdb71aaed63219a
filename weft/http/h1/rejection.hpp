#pragma once

#include <string_view>

#include <weft/http/status.hpp>

namespace weft::http::detail {

/// Why a request is not served, as it will be answered. `message` is a literal that tells the sender what to do.
struct rejection {
  http::status status = http::status::bad_request;
  std::string_view message;
};

}  // namespace weft::http::detail
