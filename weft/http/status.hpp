#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::http {

/// A response's status code. Any other three-digit value may be cast to it.
enum class status : std::uint16_t {
  continue_ = 100,
  ok = 200,
  created = 201,
  accepted = 202,
  no_content = 204,
  reset_content = 205,
  partial_content = 206,
  moved_permanently = 301,
  found = 302,
  see_other = 303,
  not_modified = 304,
  temporary_redirect = 307,
  permanent_redirect = 308,
  bad_request = 400,
  unauthorized = 401,
  forbidden = 403,
  not_found = 404,
  method_not_allowed = 405,
  not_acceptable = 406,
  request_timeout = 408,
  conflict = 409,
  gone = 410,
  length_required = 411,
  precondition_failed = 412,
  payload_too_large = 413,
  uri_too_long = 414,
  unsupported_media_type = 415,
  range_not_satisfiable = 416,
  expectation_failed = 417,
  unprocessable_content = 422,
  too_many_requests = 429,
  request_header_fields_too_large = 431,
  internal_server_error = 500,
  not_implemented = 501,
  bad_gateway = 502,
  service_unavailable = 503,
  gateway_timeout = 504,
  http_version_not_supported = 505,
  insufficient_storage = 507,
};

[[nodiscard]] constexpr unsigned to_number(status value) noexcept { return static_cast<unsigned>(value); }

/// "Not Found"; empty for a code that weft has no name for.
[[nodiscard]] std::string_view reason(status value) noexcept;

/// The reason as a word for programs, "not_found", as it appears in error bodies.
[[nodiscard]] std::string code_word(status value);

/// Whether a response with this status never has a body: 1xx, 204 and 304.
[[nodiscard]] constexpr bool is_bodiless(status value) noexcept {
  return to_number(value) < 200 || value == status::no_content || value == status::not_modified;
}

}  // namespace weft::http
