#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weft/base/result.hpp>
#include <weft/http/body_reader.hpp>
#include <weft/http/header_field.hpp>
#include <weft/http/method.hpp>
#include <weft/http/url.hpp>

namespace weft::http {

namespace detail {
class client_connection;
struct client_pool;
}  // namespace detail

struct client_options {
  /// Status line and header fields of an answer: errc::too_large.
  std::size_t max_header_bytes = 16 * 1024;
  std::size_t max_header_fields = 100;
  /// The body of an answer: errc::too_large.
  std::uint64_t max_body_bytes = 16 * 1024 * 1024;
  /// Connections without a request that are kept for later, per host and port.
  std::size_t max_idle_per_host = 32;
  /// How long they are kept.
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds{30};
};

/// What is asked of a server. Host, Content-Length or Transfer-Encoding are the client's job.
struct client_request {
  http::method method = http::method::get;
  std::vector<header_field> headers = {};
  std::string_view body = {};
  /// A body whose length is not known: called for the next piece until it gives 0; sent in chunks, instead of `body`.
  /// Such a request is never sent a second time.
  std::function<result<std::size_t>(std::span<std::byte>)> stream = {};
};

/// An answer whose head has arrived; its body is read through body(). Holds the connection.
/// Thread: one at a time. Lifetime: the client's; so for every view that it returns.
class client_response {
 public:
  client_response(client_response&& other) noexcept;
  client_response& operator=(client_response&& other) noexcept;
  /// Keeps the connection for the next request when the body was read to its end, and closes it otherwise.
  ~client_response();

  [[nodiscard]] unsigned status() const noexcept;
  [[nodiscard]] std::span<const header_field> headers() const noexcept;
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept {
    return find_field(headers(), name);
  }
  [[nodiscard]] body_reader& body() noexcept;

 private:
  friend class client;
  explicit client_response(std::unique_ptr<detail::client_connection> connection) noexcept;

  std::unique_ptr<detail::client_connection> connection_;
};

/// Asks HTTP/1.1 servers. Keeps connections and uses them again.
/// Thread: any, any number at the same time. Lifetime: outlives its answers.
class client {
 public:
  explicit client(client_options options = {});
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  /// Sends a request and waits for the head of its answer; interim answers (1xx) are passed over. When a connection
  /// that was kept turns out to be closed before any answer, tries once more on a new one, if the request is
  /// idempotent. Parks, under the caller's deadline_scope. Cancel: the server may have got the request; the connection
  /// is closed.
  [[nodiscard]] result<client_response> send(const url& where, const client_request& request);

 private:
  std::unique_ptr<detail::client_pool> pool_;
};

}  // namespace weft::http
