#include <weft/net/endpoint.hpp>

#include <algorithm>
#include <charconv>
#include <optional>

#include <arpa/inet.h>
#include <net/if.h>

namespace weft {

namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// An interface's name or number.
std::optional<std::uint32_t> parse_scope(const std::string& text) {
  std::uint32_t scope = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scope);
  if (error == std::errc{} && end == text.data() + text.size()) return scope;
  scope = ::if_nametoindex(text.c_str());
  if (scope == 0) return std::nullopt;
  return scope;
}

}  // namespace

result<endpoint> endpoint::parse(std::string_view address_and_port) {
  auto colon = address_and_port.rfind(':');
  if (colon == std::string_view::npos) return failure(errc::no_port);
  auto host = address_and_port.substr(0, colon);
  // "[::1]" and "::1": the colon is the address's own.
  if (address_and_port.back() == ']' || (host.find(':') != std::string_view::npos && host.front() != '[')) {
    return failure(errc::no_port);
  }
  auto port = parse_port(address_and_port.substr(colon + 1));
  if (!port) return failure(colon + 1 == address_and_port.size() ? errc::no_port : errc::bad_port);
  if (host.empty()) return failure(errc::no_address);
  bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  auto parsed = parse(host, *port);
  if (parsed && parsed->is_ipv6() != bracketed) return failure(errc::not_numeric);
  return parsed;
}

result<endpoint> endpoint::parse(std::string_view address, std::uint16_t port) {
  auto percent = std::min(address.find('%'), address.size());
  std::string host{address.substr(0, percent)};
  if (host.empty()) return failure(errc::no_address);
  if (host.find('\0') != std::string::npos) return failure(errc::not_numeric);
  ipv4_address four;
  if (percent == address.size() && ::inet_pton(AF_INET, host.c_str(), four.data()) == 1) return endpoint{four, port};
  ipv6_address sixteen;
  if (::inet_pton(AF_INET6, host.c_str(), sixteen.data()) != 1) return failure(errc::not_numeric);
  if (percent == address.size()) return endpoint{sixteen, port};
  auto scope = parse_scope(std::string{address.substr(percent + 1)});
  if (!scope) return failure(errc::not_numeric);
  return endpoint{sixteen, port, *scope};
}

bool endpoint::is_loopback() const noexcept {
  if (!is_ipv6_) return address_[0] == 127;
  constexpr ipv6_address loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr ipv6_address mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
  return address_ == loopback || std::equal(mapped.begin(), mapped.begin() + 13, address_.begin());
}

std::string endpoint::address() const {
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(is_ipv6_ ? AF_INET6 : AF_INET, address_.data(), text, sizeof text);
  std::string out{text};
  if (scope_ != 0) out += '%' + std::to_string(scope_);
  return out;
}

std::string endpoint::to_string() const {
  auto host = address();
  return (is_ipv6_ ? '[' + host + ']' : host) + ':' + std::to_string(port_);
}

}  // namespace weft
