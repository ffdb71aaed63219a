#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <system_error>

#include <weft/base/clock.hpp>

namespace weft::http {

class request;
class request_observer;

/// What the server does with connections beyond max_connections.
enum class when_full : std::uint8_t {
  wait,    ///< leaves them in the system's queue until another one ends
  refuse,  ///< accepts them, answers 503 and closes
};

/// For how long a connection is kept after an answer.
enum class keep_alive : std::uint8_t {
  idle,       ///< as long as idle_timeout allows, whether or not the client asks more
  pipelined,  ///< while the next request is here already: where a connection that rests would hold a thread
};

/// What one client may cost. Whoever exceeds a limit gets the status named here, with a JSON body that says so, and
/// where the connection cannot go on it is closed.
struct server_options {
  // Sizes. A limit is the largest value that is served.

  /// The request line and the header fields, all line breaks included: 431. Also the trailer of a chunked body.
  std::size_t max_header_bytes = 16 * 1024;
  /// The path and query in the request line: 414.
  std::size_t max_target_bytes = 8 * 1024;
  /// The lines of the header: 431. Also those of the trailer of a chunked body.
  std::size_t max_header_fields = 100;
  /// The body without its chunked coding: 413, at once when Content-Length says so (also instead of 100 Continue),
  /// otherwise when a chunk exceeds it. A route can have its own, see route_options.
  std::uint64_t max_body_bytes = 1024 * 1024;
  /// What is read and thrown away of a body that the handler left unread, so that the connection can be kept. A body
  /// that has more left, or of which this cannot be told when the answer begins, has it answered with Connection:
  /// close.
  std::uint64_t max_drained_bytes = 64 * 1024;

  // Times.

  /// From a request's first byte (for the first request: from the connection's start) to the end of its header,
  /// however many pieces it comes in: 408. A client that sent nothing is closed without a word.
  time_span header_timeout = std::chrono::seconds{10};
  /// Between two requests of one connection; then it is closed without a word.
  time_span idle_timeout = std::chrono::seconds{60};
  /// For the rest of a chunked body that the handler left unread, before the answer: only its end tells whether the
  /// connection can be kept. What has not come by then has the answer sent with Connection: close.
  time_span unread_body_timeout = std::chrono::milliseconds{200};
  /// For the next bytes of a body: 408.
  time_span body_idle_timeout = std::chrono::seconds{10};
  /// A body's sender is waited for, in all, this long plus one second per min_body_bytes_per_second received: 408.
  /// The time that the handler takes between its reads is not the sender's.
  time_span body_grace = std::chrono::seconds{10};
  /// 0: no minimum.
  std::uint64_t min_body_bytes_per_second = 1024;
  /// For a client to take the next 256 KiB of a response; then the connection is closed.
  time_span send_timeout = std::chrono::seconds{30};
  // A connection that ends after an answer ends the server's half first; then it reads and drops what the client still
  // sends, until the client has finished or one of these limits is reached. Closed at once, the system would reset it
  // under a client that is sending, and the client lose the answer.

  /// In all.
  time_span linger_timeout = std::chrono::seconds{30};
  /// For the client to send more, or to finish.
  time_span linger_idle_timeout = std::chrono::seconds{5};
  /// Of what the client still sends. The same as an upload's, a proxy sends all of a body before it looks for an
  /// answer.
  std::uint64_t max_lingering_bytes = std::uint64_t{1} << 30;

  // Connections.

  std::size_t max_connections = 10'000;
  when_full full = when_full::wait;
  /// What the last request of a connection is, which is answered with Connection: close.
  keep_alive kept = keep_alive::idle;
  /// Requests on one connection; the last one is answered with Connection: close. 0: no limit.
  std::uint64_t max_requests_per_connection = 0;
  /// After stop(), how long requests that are being served may take before they are cancelled.
  time_span drain_timeout = std::chrono::seconds{30};

  // Hooks.

  /// Told of every request. Not owned; outlives the server.
  request_observer* observer = nullptr;
  /// Told when accept() fails, most likely for want of file descriptors, and how long the server now waits before it
  /// tries again. Not told of connections that their clients gave up while they were queued.
  std::function<void(std::error_code, std::chrono::nanoseconds)> on_accept_error = {};
  /// Told of what a handler threw, but for http::error. The client is told nothing of it.
  std::function<void(const request&, const std::exception_ptr&)> on_exception = {};
};

}  // namespace weft::http
