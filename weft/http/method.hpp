#pragma once

#include <cstdint>
#include <string_view>

namespace weft::http {

/// What a request asks to be done. Names are case-sensitive on the wire.
enum class method : std::uint8_t {
  get,
  head,
  post,
  put,
  delete_,
  patch,
  options,
  trace,
  connect,
  unknown,  ///< any other token: answered with 501
};

inline constexpr std::size_t method_count = 9;  ///< the known ones

/// The name on the wire: "GET". Empty for `unknown`.
[[nodiscard]] std::string_view to_string(method value) noexcept;

/// `unknown` when `name` is not one of the names above, letter for letter.
[[nodiscard]] method method_of(std::string_view name) noexcept;

/// Whether doing it twice is the same as doing it once (RFC 9110, 9.2.2), so that a client may try again.
[[nodiscard]] constexpr bool is_idempotent(method value) noexcept {
  return value != method::post && value != method::patch && value != method::connect && value != method::unknown;
}

}  // namespace weft::http
