#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <latch>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <weft/net/endpoint.hpp>

namespace weft::testing {

/// A DNS server (RFC 1035) on 127.0.0.1, on an OS thread of its own, which knows:
///   both.test    192.0.2.7 and 2001:db8::7        local.test   127.0.0.1
///   slow.test    192.0.2.8, for the second who asks; the first is not answered
///   broken.test  "server failure"                 silent.test  no answer at all
/// and that nothing else exists.
class name_server {
 public:
  name_server() {
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error{"no port for the name server"};
    }
    where_ = endpoint{endpoint::ipv4_address{127, 0, 0, 1}, ntohs(address.sin_port)};
    // A test counts descriptors next, and a thread's start may open some: see open_descriptors().
    thread_ = std::thread{[this] {
      started_.count_down();
      serve();
    }};
    started_.wait();
  }
  ~name_server() {
    stopping_ = true;
    // Wakes it with a question that is none.
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(where_.port());
    ::sendto(socket_, "", 0, 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
    thread_.join();
    ::close(socket_);
  }
  name_server(const name_server&) = delete;
  name_server& operator=(const name_server&) = delete;

  [[nodiscard]] const endpoint& where() const { return where_; }
  [[nodiscard]] int questions() const { return questions_; }

 private:
  using bytes = std::vector<std::uint8_t>;
  static constexpr std::size_t header_bytes = 12;
  static constexpr std::uint8_t no_error = 0, server_failure = 2, no_such_name = 3;
  static constexpr std::uint8_t type_a = 1, type_aaaa = 28;

  struct question {
    std::string name;
    std::uint8_t type = 0;
    std::size_t end = 0;  // offset behind it
  };

  void serve() {
    std::array<std::uint8_t, 1500> buffer;
    while (true) {
      sockaddr_in peer{};
      socklen_t size = sizeof peer;
      auto got = ::recvfrom(socket_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&peer), &size);
      if (stopping_) return;
      if (got < static_cast<ssize_t>(header_bytes)) continue;
      ++questions_;
      auto reply = answer(bytes{buffer.begin(), buffer.begin() + got});
      if (!reply.empty()) {
        ::sendto(socket_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
      }
    }
  }

  static question parse(const bytes& message) {
    question asked;
    auto at = header_bytes;
    while (message[at] != 0) {
      if (!asked.name.empty()) asked.name += '.';
      asked.name.append(message.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                        message.begin() + static_cast<std::ptrdiff_t>(at) + 1 + message[at]);
      at += message[at] + 1u;
    }
    asked.type = message[at + 2];
    asked.end = at + 5;
    return asked;
  }

  bytes answer(const bytes& message) {
    auto asked = parse(message);
    bool ipv6 = asked.type == type_aaaa;
    if (asked.name == "silent.test") return {};
    if (asked.name == "slow.test" && !ipv6 && ++asked_slow_ == 1) return {};
    if (asked.name == "broken.test") return reply_to(message, asked, server_failure, {});
    if (asked.name == "both.test") {
      return reply_to(message, asked, no_error,
                      ipv6 ? bytes{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7} : bytes{192, 0, 2, 7});
    }
    if (asked.name == "local.test") return reply_to(message, asked, no_error, ipv6 ? bytes{} : bytes{127, 0, 0, 1});
    if (asked.name == "slow.test") return reply_to(message, asked, no_error, ipv6 ? bytes{} : bytes{192, 0, 2, 8});
    return reply_to(message, asked, no_such_name, {});
  }

  static bytes reply_to(const bytes& message, const question& asked, std::uint8_t code, const bytes& address) {
    bytes reply{message.begin(), message.begin() + static_cast<std::ptrdiff_t>(asked.end)};
    reply[2] = 0x81;                                    // a response, recursion desired
    reply[3] = static_cast<std::uint8_t>(0x80 | code);  // recursion available
    reply[7] = address.empty() ? 0 : 1;                 // answers
    reply[9] = reply[11] = 0;                           // no authorities, nothing additional
    if (address.empty()) return reply;
    // The name, as a pointer to the question's; type, class IN, a minute to live, the length.
    reply.insert(reply.end(),
                 {0xc0, header_bytes, 0, asked.type, 0, 1, 0, 0, 0, 60, 0, static_cast<std::uint8_t>(address.size())});
    reply.insert(reply.end(), address.begin(), address.end());
    return reply;
  }

  int socket_ = -1;
  endpoint where_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> questions_{0};
  int asked_slow_ = 0;
  std::latch started_{1};
  std::thread thread_;
};

}  // namespace weft::testing
