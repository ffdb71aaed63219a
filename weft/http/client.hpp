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
#include <utility>

#include <weft/base/clock.hpp>
#include <weft/base/containers.hpp>
#include <weft/base/result.hpp>
#include <weft/combine/detail/stack_call.hpp>
#include <weft/http/body_reader.hpp>
#include <weft/http/header_field.hpp>
#include <weft/http/method.hpp>
#include <weft/http/url.hpp>
#include <weft/io/byte_stream.hpp>

namespace weft::http {

namespace detail {
class client_exchange;
class connection_pool;
struct client_call;
}  // namespace detail

struct client_options {
  /// From the call to the end of the response's header: errc::timed_out. The caller's own deadline_scope holds as well.
  time_span timeout = std::chrono::seconds{30};
  /// For the next bytes of the response's body: errc::timed_out.
  time_span body_idle_timeout = std::chrono::seconds{30};
  /// The status line and header fields of a response: errc::too_large. Also the trailer of a chunked body.
  std::size_t max_header_bytes = 64 * 1024;
  /// The lines of a response's header: errc::malformed.
  std::size_t max_header_fields = 200;
  /// The body of a response: errc::too_large, from its reader.
  std::uint64_t max_body_bytes = std::uint64_t{64} * 1024 * 1024;
  /// How long a request with the field "Expect: 100-continue" waits for the server's word before it sends its body all
  /// the same.
  time_span continue_timeout = std::chrono::seconds{1};
  /// The User-Agent of requests that have none among their header fields; empty: none.
  std::string user_agent = "weft";
  /// Connections to one host and port that are kept for the next request. More may be in use.
  std::size_t max_idle_per_host = 32;
  /// How long one is kept; shorter than servers do, so that they seldom close it first.
  time_span idle_timeout = std::chrono::seconds{20};
  /// How a connection is made; empty: TCP.
  std::function<result<std::unique_ptr<byte_stream>>(const url&)> connect = {};
};

/// What is asked of a server. Nothing is copied: all of it lives until send() returns.
struct client_request {
  http::method method = http::method::get;
  /// Host, Content-Length, Transfer-Encoding and Connection are the client's job. With "Expect: 100-continue" the body
  /// waits for the server's word: see client_options::continue_timeout.
  plain::vector<header_field> headers = {};
  std::string_view body = {};
  /// A body that is made piece by piece, instead of `body`: writes the next piece to the span and returns its size, 0
  /// at the end. Such a request is never sent a second time.
  std::function<result<std::size_t>(std::span<std::byte>)> stream = {};
  /// How much `stream` gives in all, when that is known; without it the body is sent in chunks.
  std::optional<std::uint64_t> stream_bytes = std::nullopt;
};

/// A response whose header has arrived, and whose body is read through body(). Dropping it gives its connection back to
/// the client if the body was read to its end, and closes the connection otherwise.
/// Thread: one at a time.
class client_response {
 public:
  explicit client_response(std::unique_ptr<detail::client_exchange> exchange) noexcept;
  client_response(client_response&&) noexcept;
  client_response& operator=(client_response&&) noexcept;
  ~client_response();

  [[nodiscard]] unsigned status() const noexcept;
  [[nodiscard]] std::span<const header_field> headers() const noexcept;
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept {
    return find_field(headers(), name);
  }
  [[nodiscard]] body_reader& body() noexcept;

 private:
  std::unique_ptr<detail::client_exchange> exchange_;
};

/// Sends requests over HTTP/1.1 and keeps connections for the next ones.
///
///     weft::http::client client;
///     weft::deadline_scope within{2s};
///     auto where = weft::http::url::parse("http://127.0.0.1:8080/hello");
///     auto response = client.send(where.value(), {.headers = {{"Accept", "text/plain"}}});
///     if (response) auto text = response->body().read_all();
///
/// Redirects are not followed: they are responses like others. There is no TLS yet: url::parse() says errc::unavailable
/// to https.
/// Thread: any, for every member, at the same time.
/// Lifetime: responses may outlive it.
class client {
 public:
  explicit client(client_options options = {});
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  /// Sends a request and waits for the header of its response; interim responses (1xx) are passed over. Fails with
  /// errc::malformed for a target, a header field or a response that breaks the protocol, or for a body in another
  /// transfer coding than chunked; with errc::too_large beyond a limit; and as connecting, sending and receiving do.
  /// Characters that a target may not have are percent-encoded.
  ///
  /// A response that arrives while the body is sent ends the sending when it is a refusal (from 300 on), or complete.
  /// A connection that was kept is used again only if nothing lies on it; when it turns out to be closed all the same,
  /// or is answered by a 408 that closes it, an idempotent request is sent once more on a new one.
  /// Parks; a coroutine's carrier waits in place: async_send() is for coroutines.
  /// Cancel: the server may have got the request.
  [[nodiscard]] result<client_response> send(const url& where, const client_request& request);

  /// send() as an operation, for coroutines: a virtual thread of its own carries it out. What the request's views refer
  /// to outlives it.
  /// Cancel: as send(); waits until the exchange has ended.
  ///
  ///     auto response = co_await client.async_send(where, {});
  ///     if (response) auto text = co_await response->body().async_read_all();
  [[nodiscard]] weft::detail::stack_call<detail::client_call> async_send(url where, client_request request);

  /// Connections that are kept for the next request.
  [[nodiscard]] std::size_t idle_connections() const noexcept;

 private:
  client_options options_;
  std::shared_ptr<detail::connection_pool> pool_;
};

namespace detail {

/// send(), called on behalf of a coroutine.
struct client_call {
  client* sender;
  url where;
  client_request request;

  [[nodiscard]] result<client_response> operator()() { return sender->send(where, request); }
};

}  // namespace detail

inline weft::detail::stack_call<detail::client_call> client::async_send(url where, client_request request) {
  return weft::detail::stack_call{detail::client_call{this, std::move(where), std::move(request)}};
}

}  // namespace weft::http
