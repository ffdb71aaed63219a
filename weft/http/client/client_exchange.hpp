#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <system_error>

#include <weft/http/client.hpp>

#include "weft/http/client/connection_pool.hpp"
#include "weft/http/h1/framed_body.hpp"
#include "weft/http/h1/head_parser.hpp"
#include "weft/http/h1/head_scanner.hpp"

namespace weft::http::detail {

/// What of the client_options a response needs, which may outlive the client.
struct exchange_limits {
  std::size_t max_header_bytes;
  std::size_t max_header_fields;
  std::uint64_t max_body_bytes;
  duration body_idle_timeout;
  duration continue_timeout;
};

/// Whether a connection has carried requests before.
enum class connection_age : std::uint8_t { fresh, kept };

/// One request and its response over one connection.
/// Thread: one at a time.
class client_exchange final : body_source {
 public:
  client_exchange(exchange_limits limits, std::shared_ptr<connection_pool> pool, std::string host,
                  std::unique_ptr<client_connection> connection, connection_age age) noexcept;
  /// Gives the connection back if another request can follow on it.
  ~client_exchange();

  /// Sends the request and waits for the response's head. While the body is sent it receives: an answer that says that
  /// the rest is not wanted ends the sending.
  [[nodiscard]] result<void> carry_out(const client_request& request, const url& target, std::string_view user_agent);

  /// Whether the peer had sent something, or closed, before it was asked. Then nothing was sent.
  [[nodiscard]] bool was_stale() const noexcept { return stale_; }
  /// Whether the request, if it is idempotent, is best sent again on another connection: this one was kept, and the
  /// peer gave it up. `outcome` is that of carry_out().
  [[nodiscard]] bool may_be_repeated(const result<void>& outcome) const noexcept;

  [[nodiscard]] const response_head& head() const noexcept { return head_; }
  [[nodiscard]] body_reader& body() noexcept { return body_; }

 private:
  [[nodiscard]] result<void> send(const client_request& request);
  void append_head(const client_request& request, const url& target, std::string_view user_agent);
  [[nodiscard]] result<void> send_body(std::string_view body);
  [[nodiscard]] result<void> send_stream(const client_request& request);
  [[nodiscard]] result<void> send_listening(std::span<const std::byte> from);
  [[nodiscard]] result<void> await_continue();
  [[nodiscard]] result<void> await_head();
  [[nodiscard]] result<void> try_parse_head();
  [[nodiscard]] result<void> understand_head(std::string_view text);
  [[nodiscard]] bool wants_no_more() noexcept;
  result<std::size_t> receive_body(std::span<std::byte> into) override;
  result<std::size_t> try_receive_body(std::span<std::byte> into) override;

  exchange_limits limits_;
  std::shared_ptr<connection_pool> pool_;
  std::string host_;
  std::unique_ptr<client_connection> connection_;
  connection_buffers& buffers_{connection_->buffers};
  connection_age age_;
  http::method asked_ = http::method::get;
  head_scanner scanner_{head_scanner::folds::accepted};
  std::string amended_;  // the head, where it was not as the parser takes it
  response_head head_;
  framed_body body_{*this, buffers_.input()};
  int interim_responses_ = 0;
  bool stale_ = false;
  bool heard_ = false;            // any of the response was received
  bool stream_begun_ = false;     // request.stream was called: it cannot start again
  bool failed_for_good_ = false;  // for another reason than the connection
  bool stopped_ = false;          // the answer ended the sending
  bool sent_ = false;             // the whole request
  bool may_continue_ = false;     // 100 arrived
  bool complete_ = false;         // the final head arrived and was understood
};

}  // namespace weft::http::detail
