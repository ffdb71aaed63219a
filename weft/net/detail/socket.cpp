#include "weft/net/detail/socket.hpp"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>

namespace weft::io {

socket_address::socket_address(const endpoint& from) noexcept {
  const auto& bytes = from.address_bytes();
  if (from.is_ipv6()) {
    storage_.ipv6 = {};
    storage_.ipv6.sin6_family = AF_INET6;
    storage_.ipv6.sin6_port = htons(from.port());
    storage_.ipv6.sin6_scope_id = from.scope();
    std::memcpy(&storage_.ipv6.sin6_addr, bytes.data(), sizeof storage_.ipv6.sin6_addr);
    size_ = sizeof storage_.ipv6;
  } else {
    storage_.ipv4 = {};
    storage_.ipv4.sin_family = AF_INET;
    storage_.ipv4.sin_port = htons(from.port());
    std::memcpy(&storage_.ipv4.sin_addr, bytes.data(), sizeof storage_.ipv4.sin_addr);
    size_ = sizeof storage_.ipv4;
  }
}

endpoint socket_address::to_endpoint() const noexcept {
  if (storage_.any.sa_family == AF_INET6) {
    endpoint::ipv6_address bytes;
    std::memcpy(bytes.data(), &storage_.ipv6.sin6_addr, bytes.size());
    return {bytes, ntohs(storage_.ipv6.sin6_port), storage_.ipv6.sin6_scope_id};
  }
  endpoint::ipv4_address bytes;
  std::memcpy(bytes.data(), &storage_.ipv4.sin_addr, bytes.size());
  return {bytes, ntohs(storage_.ipv4.sin_port)};
}

std::optional<endpoint> socket_address::from(const sockaddr& address) noexcept {
  if (address.sa_family != AF_INET && address.sa_family != AF_INET6) return std::nullopt;
  socket_address copy;
  auto size = address.sa_family == AF_INET ? sizeof copy.storage_.ipv4 : sizeof copy.storage_.ipv6;
  std::memcpy(&copy.storage_, &address, size);
  return copy.to_endpoint();
}

result<int> make_tcp_socket(const endpoint& address) {
  int family = address.is_ipv6() ? AF_INET6 : AF_INET;
  int number = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (number < 0) return failure_from_errno(errno);
  return number;
}

result<void> set_option(int number, int level, int option, int value) {
  if (::setsockopt(number, level, option, &value, sizeof value) != 0) return failure_from_errno(errno);
  return {};
}

}  // namespace weft::io
