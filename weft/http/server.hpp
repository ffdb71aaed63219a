#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include <weft/base/result.hpp>
#include <weft/http/router.hpp>
#include <weft/http/server_options.hpp>
#include <weft/io/byte_stream.hpp>

namespace weft {
class tcp_listener;
}

namespace weft::http {

namespace detail {
struct server_state;
class accepted_connection;
}  // namespace detail

/// One connection that was accepted: calling it serves it to its end. Dropped uncalled, it closes the connection.
/// Called or dropped before the server's serve() returns.
class connection_job {
 public:
  explicit connection_job(std::unique_ptr<detail::accepted_connection> connection) noexcept;
  connection_job(connection_job&&) noexcept;
  connection_job& operator=(connection_job&&) noexcept;
  ~connection_job();

  /// Once.
  /// Throws nothing: what handlers throw becomes a 500.
  void operator()() noexcept;

 private:
  std::unique_ptr<detail::accepted_connection> connection_;
};

/// Decides how connections run: calls the job where it stands, hands it to a thread or a pool.
/// Called by serve(), which goes on accepting when it returns.
using connection_executor = std::function<void(connection_job)>;

/// Serves HTTP/1.1 and HTTP/1.0.
///
///     weft::http::router routes;
///     routes.get("/hello/{name}", [](auto& request, auto& response) {
///       response.text("hello " + std::string{request.parameter("name")} + "\n");
///     });
///     weft::http::server server{std::move(routes)};
///     auto listener = weft::tcp_listener::bind("127.0.0.1:8080").value();
///     server.serve(listener).value();
///
/// Thread: any, for every member, at the same time.
/// Lifetime: outlives its serve() calls.
class server {
 public:
  explicit server(router routes, server_options options = {});
  /// One handler for all requests.
  explicit server(handler answer, server_options options = {});
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Accepts and serves connections, each on a virtual thread of its own, until stop(), or until the task is cancelled;
  /// returns when the last connection has ended. Fails as accept() does, when that is for good.
  /// Parks.
  [[nodiscard]] result<void> serve(tcp_listener& listener);
  /// Connections run as `run` says; then a plain OS thread may call this, with no runtime.
  [[nodiscard]] result<void> serve(tcp_listener& listener, const connection_executor& run);

  /// Serves one connection to its end, where the caller stands. `peer` is what request::peer() tells.
  void serve_connection(byte_stream& stream, std::string_view peer = {});

  /// Stops: accepts no more, closes the connections that wait for a request, lets requests that are being served end,
  /// and cancels what is left after server_options::drain_timeout. Returns at once; serve() returns when that is done.
  void stop() noexcept;

  /// Being served now.
  [[nodiscard]] std::size_t connections() const noexcept;
  [[nodiscard]] const router& routes() const noexcept;

 private:
  std::unique_ptr<detail::server_state> state_;
};

}  // namespace weft::http
