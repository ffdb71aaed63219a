#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <system_error>

#include <weft/http/client.hpp>

#include "http/connection_pool.hpp"
#include "http/framed_body.hpp"
#include "http/message_head.hpp"

namespace weft::http::detail {

/// What of the client_options a response needs, which may outlive the client.
struct exchange_limits {
  std::size_t max_header_bytes;
  std::size_t max_header_fields;
  std::uint64_t max_body_bytes;
  duration body_idle_timeout;
};

/// One request and its response over one connection.
/// Thread: one at a time.
class client_exchange final : body_source {
 public:
  client_exchange(exchange_limits limits, std::shared_ptr<connection_pool> pool, std::string host,
                  std::unique_ptr<client_connection> connection) noexcept;
  /// Gives the connection back if another request can follow on it.
  ~client_exchange();

  /// Sends the request and waits for the response's head.
  [[nodiscard]] result<void> carry_out(const client_request& request, const url& target);

  /// Whether any of the response was received.
  [[nodiscard]] bool heard() const noexcept { return heard_; }
  /// Whether request.stream was called, so that it cannot start again.
  [[nodiscard]] bool stream_begun() const noexcept { return stream_begun_; }

  [[nodiscard]] const response_head& head() const noexcept { return head_; }
  [[nodiscard]] body_reader& body() noexcept { return body_; }

 private:
  [[nodiscard]] result<void> send(const client_request& request, const url& target);
  void append_head(const client_request& request, const url& target);
  [[nodiscard]] result<void> send_stream(const client_request& request);
  [[nodiscard]] result<void> await_head(http::method asked);
  [[nodiscard]] result<std::string_view> receive_head();
  result<std::size_t> receive_body(std::span<std::byte> into) override;

  exchange_limits limits_;
  std::shared_ptr<connection_pool> pool_;
  std::string host_;
  std::unique_ptr<client_connection> connection_;
  wire& line_{connection_->line};
  response_head head_;
  framed_body body_{*this, line_.input()};
  bool heard_ = false;
  bool stream_begun_ = false;
  bool stream_failed_ = false;
  bool sent_ = false;      // the whole request
  bool complete_ = false;  // the head arrived and was understood
};

}  // namespace weft::http::detail
