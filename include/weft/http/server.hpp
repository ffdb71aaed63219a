#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include <weft/base/result.hpp>
#include <weft/http/router.hpp>
#include <weft/http/server_options.hpp>
#include <weft/io/byte_stream.hpp>

namespace weft::http {

namespace detail {
struct server_state;
}  // namespace detail

/// Serves HTTP/1.1 and HTTP/1.0.
///
///     weft::http::router routes;
///     routes.get("/hello/{name}", [](auto& request, auto& response) {
///       response.text("hello " + std::string{request.parameter("name")} + "\n");
///     });
///     weft::http::server server{std::move(routes)};
///     server.serve_connection(stream);
///
/// Thread: any, for every member, at the same time. Lifetime: outlives what it serves.
class server {
 public:
  explicit server(router routes, server_options options = {});
  /// One handler for all requests.
  explicit server(handler answer, server_options options = {});
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Serves one connection to its end, where the caller stands. `peer` is what request::peer() tells.
  void serve_connection(byte_stream& stream, std::string_view peer = {});

  /// Stops: closes the connections that wait for a request, and lets requests that are being served end. Returns at
  /// once.
  void stop() noexcept;

  /// Being served now.
  [[nodiscard]] std::size_t connections() const noexcept;
  [[nodiscard]] const router& routes() const noexcept;

 private:
  std::unique_ptr<detail::server_state> state_;
};

}  // namespace weft::http
