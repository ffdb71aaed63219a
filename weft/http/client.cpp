#include <weft/http/client.hpp>

#include <algorithm>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/net/tcp.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/detail/task_base.hpp>
#include "weft/task/detail/in_place.hpp"

#include "weft/http/client/client_exchange.hpp"
#include "weft/http/h1/escaped_target.hpp"
#include "weft/http/h1/text.hpp"

namespace weft::http {
namespace {

bool is_good(const client_request& request) {
  auto is_good_field = [](const auto& field) {
    for (std::string_view reserved : {"host", "content-length", "transfer-encoding", "connection"}) {
      if (equals_ignoring_case(field.name, reserved)) return false;
    }
    return detail::is_token(field.name) && detail::is_field_value(field.value);
  };
  return request.method != method::unknown && request.method != method::connect &&
         std::ranges::all_of(request.headers, is_good_field);
}

bool is_good(const url& where, method asked) {
  std::string_view target = where.target;
  // An absolute one is for a proxy, which options.connect leads to.
  bool has_form = target.starts_with('/') || target.find("://") != std::string_view::npos ||
                  (target == "*" && asked == method::options);
  return has_form && std::ranges::none_of(target, detail::breaks_request_line) && detail::is_host(where.host);
}

result<std::unique_ptr<byte_stream>> connect_tcp(const url& target) {
  auto stream = tcp_stream::connect(target.host, target.port);
  if (!stream) return std::unexpected{stream.error()};
  return std::make_unique<tcp_stream>(std::move(*stream));
}

}  // namespace

client_response::client_response(std::unique_ptr<detail::client_exchange> exchange) noexcept
    : exchange_{std::move(exchange)} {}
client_response::client_response(client_response&&) noexcept = default;
client_response& client_response::operator=(client_response&&) noexcept = default;
client_response::~client_response() = default;

unsigned client_response::status() const noexcept { return exchange_->head().status; }
std::span<const header_field> client_response::headers() const noexcept { return exchange_->head().fields; }
body_reader& client_response::body() noexcept { return exchange_->body(); }

client::client(client_options options)
    : options_{std::move(options)},
      pool_{std::make_shared<detail::connection_pool>(options_.max_idle_per_host, options_.idle_timeout)} {
  WEFT_CHECK(detail::is_field_value(options_.user_agent), "a user agent is text without line breaks", "client", this);
}

client::~client() = default;

result<client_response> client::send(const url& where, const client_request& request) {
  if (!is_good(request) || !is_good(where, request.method)) return failure(errc::malformed);
  if (cancelled()) return failure(errc::cancelled);
  weft::detail::in_place waits;
  deadline_scope limit{options_.timeout};
  const detail::exchange_limits limits{options_.max_header_bytes, options_.max_header_fields, options_.max_body_bytes,
                                       options_.body_idle_timeout, options_.continue_timeout};
  auto host = where.host_field();
  std::ranges::transform(host, host.begin(), detail::lower);

  for (bool may_be_kept = true;;) {
    auto connection = may_be_kept ? pool_->take(host) : nullptr;
    auto age = connection ? detail::connection_age::kept : detail::connection_age::fresh;
    if (!connection) {
      auto stream = options_.connect ? options_.connect(where) : connect_tcp(where);
      if (!stream) return std::unexpected{stream.error()};
      connection = std::make_unique<detail::client_connection>(std::move(*stream), options_.timeout);
    }
    auto exchange = std::make_unique<detail::client_exchange>(limits, pool_, host, std::move(connection), age);
    auto done = exchange->carry_out(request, where, options_.user_agent);
    if (exchange->was_stale()) continue;  // nothing was sent
    may_be_kept = false;
    if (is_idempotent(request.method) && exchange->may_be_repeated(done)) continue;
    if (!done) return std::unexpected{done.error()};
    return client_response{std::move(exchange)};
  }
}

std::size_t client::idle_connections() const noexcept { return pool_->size(); }

}  // namespace weft::http
