#pragma once

#include <array>
#include <cstddef>
#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>

#include <weft/http/body_reader.hpp>
#include <weft/http/header_field.hpp>
#include <weft/http/method.hpp>
#include <weft/http/router.hpp>

namespace weft::http {

namespace detail {
class server_connection;
}

/// A request being served. Its head has arrived and passed every check; its body is read through body().
/// Thread: the task that serves it.
/// Lifetime: the handler's call; so for every view that it returns.
class request {
 public:
  request(const request&) = delete;
  request& operator=(const request&) = delete;

  [[nodiscard]] http::method method() const noexcept { return method_; }
  /// As it was sent, for methods that are `unknown` too.
  [[nodiscard]] std::string_view method_name() const noexcept { return method_name_; }

  /// The request target as it was sent: "/photos/7?size=256".
  [[nodiscard]] std::string_view target() const noexcept { return target_; }
  /// Percent-decoded, valid UTF-8, without dot segments and control characters.
  [[nodiscard]] std::string_view path() const noexcept { return path_; }
  /// What follows the '?', as it was sent.
  [[nodiscard]] std::string_view query() const noexcept { return query_; }

  /// The host and port that the client means to talk to.
  [[nodiscard]] std::string_view host() const noexcept { return host_; }
  /// 10 or 11.
  [[nodiscard]] int version() const noexcept { return version_; }
  /// Who sent it, as the server was told; empty when it was not.
  [[nodiscard]] std::string_view peer() const noexcept { return peer_; }

  [[nodiscard]] std::span<const header_field> headers() const noexcept { return headers_; }
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept {
    return find_field(headers_, name);
  }

  /// The route that matched; null in a fallback handler.
  [[nodiscard]] const http::route* route() const noexcept { return match_.route; }

  /// What `{name}` in the route's pattern stands for: one path segment, percent-decoded, not empty. A name that the
  /// pattern has not is misuse.
  [[nodiscard]] std::string_view parameter(std::string_view name) const;

  /// The first `name=value` of the query, decoded ('+' is a space); "" for a name without '='. None when absent.
  [[nodiscard]] std::optional<std::string_view> query_parameter(std::string_view name) const;

  [[nodiscard]] body_reader& body() noexcept { return *body_; }

  /// Memory that is taken back, all at once, when the request is answered.
  [[nodiscard]] std::pmr::memory_resource& memory() const noexcept { return *memory_; }

 private:
  friend class detail::server_connection;
  request() = default;

  http::method method_ = method::unknown;
  int version_ = 11;
  std::string_view method_name_;
  std::string_view target_;
  std::string_view path_;
  std::string_view query_;
  std::string_view host_;
  std::string_view peer_;
  std::span<const header_field> headers_;
  route_match match_;
  body_reader* body_ = nullptr;
  std::pmr::memory_resource* memory_ = nullptr;
};

}  // namespace weft::http
