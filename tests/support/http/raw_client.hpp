#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weft/net/tcp.hpp>

#include "tests/support/http/answers.hpp"

namespace weft::http::test {

/// A client that writes the protocol by hand.
class raw_client {
 public:
  explicit raw_client(const endpoint& server) : stream_{tcp_stream::connect(server).value()} {}

  void send(std::string_view bytes) { EXPECT_TRUE(stream_.send_all(std::as_bytes(std::span{bytes}))); }

  /// The next answer; status 0 when the connection ends instead.
  test::answer answer() {
    for (;;) {
      auto head_end = received_.find("\r\n\r\n");
      if (head_end != std::string::npos) {
        auto length_at = received_.find("Content-Length: ");
        auto length = length_at < head_end ? std::stoul(received_.substr(length_at + 16)) : 0;
        if (received_.size() >= head_end + 4 + length) {
          std::string_view text = received_;
          auto parsed = test::take_answer(text);
          received_.erase(0, received_.size() - text.size());
          return parsed;
        }
      }
      auto got = stream_.recv(buffer_);
      if (!got) return {};
      received_.append(reinterpret_cast<const char*>(buffer_.data()), *got);
    }
  }

  test::answer ask(std::string_view bytes) {
    send(bytes);
    return answer();
  }

 private:
  tcp_stream stream_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(std::size_t{128} * 1024);
  std::string received_;
};

}  // namespace weft::http::test
