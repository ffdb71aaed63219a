#pragma once

#include <string>

#include <weft/http/client.hpp>
#include <weft/io/tcp.hpp>

#include "http/framed_body.hpp"
#include "http/message_head.hpp"
#include "http/wire.hpp"

namespace weft::http::detail {

/// A client's side of one connection: one request after the other.
/// Thread: one at a time.
class client_connection final : body_source {
 public:
  client_connection(client_pool& pool, const url& where, tcp_stream stream);

  /// Sends the request and receives the head of its answer.
  [[nodiscard]] result<void> exchange(const client_request& request, std::string_view target);

  [[nodiscard]] const response_head& head() const noexcept { return head_; }
  [[nodiscard]] framed_body& body() noexcept { return body_; }
  /// The whole answer was read and the server keeps the connection open.
  [[nodiscard]] bool can_be_kept() noexcept {
    return complete_ && body_.finished() && !body_.failure() && head_.persistence == persistence::keep_alive &&
           wire_.input().unread().empty();
  }
  /// Whether any byte of the present answer has arrived.
  [[nodiscard]] bool answer_began() const noexcept { return answer_began_; }
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  [[nodiscard]] client_pool& pool() noexcept { return pool_; }

  time_point kept_since{};

 private:
  [[nodiscard]] result<std::size_t> receive_body(std::span<std::byte> into) override;
  [[nodiscard]] result<void> send_request(const client_request& request, std::string_view target);
  [[nodiscard]] result<void> send_stream(const client_request& request);
  [[nodiscard]] result<void> receive_head(http::method asked);

  client_pool& pool_;
  std::string key_;
  std::string host_field_;
  tcp_stream stream_;
  wire wire_;
  framed_body body_;
  response_head head_;
  bool complete_ = false;  // the head is there
  bool answer_began_ = false;
};

}  // namespace weft::http::detail
