#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/net/tcp.hpp>
#include <weft/task/spawn.hpp>

#include "tests/support/io_fixture.hpp"

namespace weft::http::test {

/// A server of one connection after the other, each with its own function. Inside weft::run().
class tcp_peer {
 public:
  using serve = std::function<void(tcp_stream&)>;
  explicit tcp_peer(std::vector<serve> connections)
      : serving_{spawn([this, connections = std::move(connections)] {
          for (const auto& each : connections) {
            auto accepted = listener_.accept();
            if (!accepted) return;
            each(*accepted);
          }
        })} {}

  [[nodiscard]] std::string url_of(std::string_view path) const {
    return "http://" + listener_.local().to_string() + std::string{path};
  }
  [[nodiscard]] std::uint16_t port() const { return listener_.local().port(); }
  /// Until all connections were served.
  void join() { serving_.join(); }

 private:
  tcp_listener listener_ = tcp_listener::bind("127.0.0.1:0").value();
  join_handle<void> serving_;
};

/// A request's head, and what came with it; empty when the connection has ended.
inline std::string recv_head(byte_stream& stream) {
  std::string head;
  std::array<std::byte, 1024> buffer;
  while (head.find("\r\n\r\n") == std::string::npos) {
    auto got = stream.recv(buffer);
    if (!got) break;
    head += weft::testing::text_of(std::span{buffer}.first(*got));
  }
  return head;
}

inline void send_text(byte_stream& stream, std::string_view text) {
  EXPECT_TRUE(stream.send_all(weft::testing::bytes_of(text)));
}

/// Until the other side has closed.
inline void await_end(byte_stream& stream) {
  std::vector<std::byte> dropped(1 << 16);
  while (stream.recv(dropped)) {}
}

}  // namespace weft::http::test
