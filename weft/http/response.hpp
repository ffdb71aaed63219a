#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <weft/base/result.hpp>
#include <weft/http/status.hpp>

namespace weft::http {

namespace detail {
class response_writer;
class server_connection;
}  // namespace detail

/// The answer to a request: whole, by one of send(), text(), json() and error(), or streamed, by write(). Date,
/// Content-Length or Transfer-Encoding, and Connection are the server's job. A handler that returns without having
/// answered answers with status() (200) and an empty body.
///
///     response.header("Cache-Control", "no-store").text("hello\n");
///
/// Thread: the task that serves the request.
/// Lifetime: the handler's call.
class response {
 public:
  response(const response&) = delete;
  response& operator=(const response&) = delete;

  // Before the answer begins.

  /// Throws std::invalid_argument for a name or value that would break out of its line, and for the fields that are the
  ///   server's job.
  response& header(std::string_view name, std::string_view value);
  response& status(http::status value);
  /// Has the connection closed after this answer.
  response& close_connection();

  // The whole answer. The body is copied or sent before the call returns. Whether the client got it is not told: the
  // connection is gone if it did not. A second answer to one request is misuse. What the handler left unread of a
  // chunked request body is read and dropped first, within server_options::unread_body_timeout, and cannot be read
  // afterwards.
  // Parks.
  // Cancel: the connection is not used again.

  void send(std::string_view content_type, std::span<const std::byte> body);
  void send(std::string_view content_type, std::string_view body);
  void text(std::string_view body) { send("text/plain; charset=utf-8", body); }
  void json(std::string_view body) { send("application/json", body); }
  /// {"error":{"code":…,"message":…}}: `message` says what the client can do. `code` is a word for programs; empty:
  /// the status's own, "not_found".
  void error(http::status value, std::string_view message, std::string_view code = {});

  // The streamed answer.

  /// Announces the body's length; without it the body is sent in chunks.
  response& content_length(std::uint64_t bytes);
  /// Sends or queues the next piece. Fails when the client is gone, and with errc::too_large beyond content_length().
  /// Parks while the client is slower than the handler.
  [[nodiscard]] result<void> write(std::span<const std::byte> piece);
  [[nodiscard]] result<void> write(std::string_view piece);
  /// Sends what is queued, for a client that shall see it now.
  [[nodiscard]] result<void> flush();

  /// Whether the answer has begun, so that status and header are fixed.
  [[nodiscard]] bool answered() const noexcept;
  [[nodiscard]] http::status status() const noexcept;
  /// Of the body, so far.
  [[nodiscard]] std::uint64_t body_bytes() const noexcept;

 private:
  friend class detail::server_connection;
  explicit response(detail::response_writer& writer) noexcept : writer_{&writer} {}

  detail::response_writer* writer_;
};

}  // namespace weft::http
