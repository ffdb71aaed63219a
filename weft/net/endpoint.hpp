#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <weft/base/result.hpp>

namespace weft {

/// Where a socket is: an IPv4 or IPv6 address and a port.
class endpoint {
 public:
  using ipv4_address = std::array<std::uint8_t, 4>;
  using ipv6_address = std::array<std::uint8_t, 16>;

  /// 0.0.0.0:0
  constexpr endpoint() noexcept = default;

  constexpr endpoint(ipv4_address address, std::uint16_t port) noexcept : port_{port} {
    for (std::size_t i = 0; i < address.size(); ++i) address_[i] = address[i];
  }

  /// `scope` says which interface a link-local address belongs to; 0 elsewhere.
  constexpr endpoint(ipv6_address address, std::uint16_t port, std::uint32_t scope = 0) noexcept
      : address_{address}, scope_{scope}, port_{port}, is_ipv6_{true} {}

  /// From "127.0.0.1:7000", "[::1]:80" or "[fe80::1%eth0]:80". Never asks the network: a name is errc::not_numeric.
  /// Otherwise errc::no_address, errc::no_port or errc::bad_port say what is amiss.
  [[nodiscard]] static result<endpoint> parse(std::string_view address_and_port);

  /// From a numeric address alone ("127.0.0.1", "::1") and a port.
  [[nodiscard]] static result<endpoint> parse(std::string_view address, std::uint16_t port);

  [[nodiscard]] constexpr std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] constexpr bool is_ipv6() const noexcept { return is_ipv6_; }

  /// Only this machine can reach it: 127.0.0.0/8, ::1, or the former inside the latter (::ffff:127.0.0.1).
  [[nodiscard]] bool is_loopback() const noexcept;

  /// The address in network byte order: 4 bytes for IPv4 (the rest zero), 16 for IPv6.
  [[nodiscard]] constexpr const ipv6_address& address_bytes() const noexcept { return address_; }
  [[nodiscard]] constexpr std::uint32_t scope() const noexcept { return scope_; }

  [[nodiscard]] constexpr endpoint with_port(std::uint16_t port) const noexcept {
    auto copy = *this;
    copy.port_ = port;
    return copy;
  }

  /// The address alone, as parse() reads it.
  [[nodiscard]] std::string address() const;

  /// What parse() reads: "127.0.0.1:7000", "[::1]:80".
  [[nodiscard]] std::string to_string() const;

  friend constexpr bool operator==(const endpoint&, const endpoint&) noexcept = default;

 private:
  ipv6_address address_{};
  std::uint32_t scope_ = 0;
  std::uint16_t port_ = 0;
  bool is_ipv6_ = false;
};

}  // namespace weft
