#pragma once

#include <cerrno>
#include <cstddef>
#include <deque>
#include <memory>
#include <string_view>

#include <weft/http/client.hpp>

#include "tests/support/http/scripted_stream.hpp"

namespace weft::http::test {

/// Peers that follow their scripts, one per connection that is made. They outlive the client's connections.
class scripted_peers {
 public:
  scripted_stream& next() { return *streams_.emplace_back(std::make_unique<scripted_stream>()); }
  [[nodiscard]] std::size_t connected() const { return connected_; }

  client_options options() {
    client_options chosen;
    chosen.connect = [this](const url&) -> result<std::unique_ptr<byte_stream>> {
      if (connected_ == streams_.size()) return failure_from_errno(ECONNREFUSED);
      return std::make_unique<forwarder>(*streams_[connected_++]);
    };
    return chosen;
  }

 private:
  class forwarder final : public byte_stream {
   public:
    explicit forwarder(scripted_stream& to) : to_{to} {}
    ~forwarder() override { to_.close(); }
    result<std::size_t> recv(std::span<std::byte> into) override { return to_.recv(into); }
    result<std::size_t> send(std::span<const std::byte> from) override { return to_.send(from); }
    result<void> shutdown_send() override { return to_.shutdown_send(); }
    void close() noexcept override { to_.close(); }

   private:
    scripted_stream& to_;
  };

  std::deque<std::unique_ptr<scripted_stream>> streams_;
  std::size_t connected_ = 0;
};

inline constexpr std::string_view ok_hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

inline result<client_response> get(client& tested, std::string_view where) {
  return tested.send(url::parse(where).value(), {});
}

inline result<client_response> post(client& tested, std::string_view where, std::string_view body) {
  return tested.send(url::parse(where).value(),
                     {.method = method::post, .headers = {{"Content-Type", "text/plain"}}, .body = body});
}

}  // namespace weft::http::test
