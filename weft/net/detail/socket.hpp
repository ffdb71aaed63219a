#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>

#include <weft/base/result.hpp>
#include <weft/net/endpoint.hpp>

namespace weft::io {

/// An endpoint as the kernel reads and writes it.
class socket_address {
 public:
  socket_address() noexcept = default;
  explicit socket_address(const endpoint& from) noexcept;

  [[nodiscard]] endpoint to_endpoint() const noexcept;

  /// What somebody else's address says; empty when it is of another family.
  [[nodiscard]] static std::optional<endpoint> from(const sockaddr& address) noexcept;

  [[nodiscard]] sockaddr* data() noexcept { return &storage_.any; }
  [[nodiscard]] socklen_t* size() noexcept { return &size_; }

 private:
  union {
    sockaddr any;
    sockaddr_in ipv4;
    sockaddr_in6 ipv6;
  } storage_{};
  socklen_t size_ = sizeof storage_;
};

/// A non-blocking, close-on-exec TCP socket of the family of `address`. Returns its number.
[[nodiscard]] result<int> make_tcp_socket(const endpoint& address);

/// Sets an option that is an int.
[[nodiscard]] result<void> set_option(int number, int level, int option, int value);

}  // namespace weft::io
