#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <weft/base/containers.hpp>
#include <weft/http/method.hpp>

namespace weft::http {

class request;
class response;

/// Answers one request. Runs on whichever task or thread serves the connection, any number at the same time.
/// An exception becomes a 500, or what its `http::error` says.
using handler = std::function<void(request&, response&)>;

struct route_options {
  /// For this route instead of server_options::max_body_bytes.
  std::optional<std::uint64_t> max_body_bytes = std::nullopt;
};

/// One pattern and what answers it.
struct route {
  http::method method;
  std::string pattern;  ///< as it was added: "/photos/{id}/thumbnail"
  http::handler handler;
  route_options options;
  plain::vector<std::string> parameter_names;
  std::size_t index = 0;  ///< its place in router::routes(): what observers count by
};

/// At most this many `{name}` in one pattern.
inline constexpr std::size_t max_path_parameters = 8;

/// What a path matched. Views into the path and the router.
struct route_match {
  const http::route* route = nullptr;                              ///< null: see `allowed`
  std::array<std::string_view, max_path_parameters> parameters{};  ///< in the order of the names in the pattern
  std::string_view allowed;  ///< for a path that other methods have: "GET, HEAD"; empty: there is no such path
};

/// Finds the handler for a method and a path. A pattern's segments are literal or `{name}`, which matches one segment
/// that is not empty; a literal is preferred to a parameter. HEAD is answered by GET's handler unless it has its own.
/// "/photos" and "/photos/" are two paths.
/// Thread: adding, one at a time, before serving; everything const, any.
class router {
 public:
  router();
  ~router();
  router(router&&) noexcept;
  router& operator=(router&&) noexcept;

  /// A pattern that does not begin with '/', or that was added before for this method, is misuse.
  router& add(http::method method, std::string_view pattern, handler answer, route_options options = {});

  router& get(std::string_view pattern, handler answer) { return add(method::get, pattern, std::move(answer)); }
  router& post(std::string_view pattern, handler answer) { return add(method::post, pattern, std::move(answer)); }
  router& put(std::string_view pattern, handler answer) { return add(method::put, pattern, std::move(answer)); }
  router& delete_(std::string_view pattern, handler answer) { return add(method::delete_, pattern, std::move(answer)); }

  /// Answers what no pattern matches, instead of 404 and 405.
  router& otherwise(handler answer);

  /// Runs before the handler of every route, in the order of adding; one that has answered (response::answered()) ends
  /// the request. For what all routes ask: tokens, origins.
  router& guard(handler check);

  /// `path` is percent-decoded and free of dot segments, as the server sees to.
  [[nodiscard]] route_match match(http::method method, std::string_view path) const;

  [[nodiscard]] std::span<const std::unique_ptr<const route>> routes() const noexcept { return routes_; }
  [[nodiscard]] std::span<const handler> guards() const noexcept { return guards_; }
  [[nodiscard]] const handler& fallback() const noexcept { return otherwise_; }

 private:
  struct node;

  node& node_for(std::string_view pattern, plain::vector<std::string>& parameter_names);

  std::unique_ptr<node> root_;
  plain::vector<std::unique_ptr<const route>> routes_;
  plain::vector<handler> guards_;
  handler otherwise_;
};

}  // namespace weft::http
