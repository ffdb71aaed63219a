#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <weft/base/result.hpp>

namespace weft::http {

/// Where a request goes: the parts of "http://host:port/path?query" that a client needs.
struct url {
  std::string host;  ///< a name, an IPv4 address, or an IPv6 address without its brackets
  std::uint16_t port = 80;
  std::string target = "/";  ///< path and query as they go on the request line

  /// Fails with errc::malformed, and with errc::unavailable for a scheme other than http. A user name in the URL is
  /// refused, since it is mostly there to mislead; a fragment is dropped, since it is not sent. Characters that a path
  /// or query may not have are percent-encoded, but for spaces and control characters, which are refused.
  [[nodiscard]] static result<url> parse(std::string_view text);

  /// What the Host field says: the port only when it is not 80.
  [[nodiscard]] std::string host_field() const;

  bool operator==(const url&) const = default;
};

}  // namespace weft::http
