#include <weft/http/url.hpp>

#include <algorithm>
#include <optional>

#include <weft/http/header_field.hpp>

#include "weft/http/h1/escaped_target.hpp"
#include "weft/http/h1/text.hpp"

// Written by hand because all of it is the authority: Boost.URL would bring a shared library for these sixty lines.
namespace weft::http {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  auto value = detail::parse_decimal(text);
  if (!value || *value == 0 || *value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

/// Fills host and port; false when `authority` is not "host", "host:port", "[v6]" or "[v6]:port".
bool parse_authority(std::string_view authority, url& into) {
  std::string_view port;
  if (authority.starts_with('[')) {
    auto end = authority.find(']');
    if (end == std::string_view::npos) return false;
    into.host = authority.substr(1, end - 1);
    if (into.host.find(':') == std::string::npos || !detail::is_host(into.host)) return false;
    port = authority.substr(end + 1);
  } else {
    auto end = std::min(authority.find(':'), authority.size());
    into.host = authority.substr(0, end);
    if (!detail::is_host(into.host)) return false;
    port = authority.substr(end);
  }
  if (port.empty() || port == ":") return true;
  auto number = port.front() == ':' ? parse_port(port.substr(1)) : std::nullopt;
  if (number) into.port = *number;
  return number.has_value();
}

}  // namespace

result<url> url::parse(std::string_view text) {
  auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return failure(errc::malformed);
  if (!equals_ignoring_case(text.substr(0, scheme_end), "http")) return failure(errc::unavailable);
  auto rest = text.substr(scheme_end + 3);
  auto authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  url parsed;
  if (!parse_authority(rest.substr(0, authority_end), parsed)) return failure(errc::malformed);
  auto target = rest.substr(authority_end);
  target = target.substr(0, target.find('#'));
  if (std::ranges::any_of(target, detail::breaks_request_line)) return failure(errc::malformed);
  parsed.target = (target.starts_with('/') ? "" : "/") + detail::escaped_target(target);
  return parsed;
}

std::string url::host_field() const {
  auto field = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == 80 ? field : field + ":" + std::to_string(port);
}

}  // namespace weft::http
