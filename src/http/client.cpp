#include <weft/http/client.hpp>

#include <algorithm>
#include <utility>

#include <weft/io/tcp.hpp>
#include <weft/task/task_state.hpp>

#include "http/client_exchange.hpp"
#include "http/text.hpp"

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

result<std::unique_ptr<byte_stream>> connect_tcp(const url& target) {
  auto stream = tcp_stream::connect(target.host, target.port);
  if (!stream) return std::unexpected{stream.error()};
  return std::make_unique<tcp_stream>(std::move(*stream));
}

/// Whether the server has closed a connection that was kept, or sent what nobody asked for.
bool is_stale(detail::client_connection& connection) {
  std::byte unasked;
  deadline_scope at_once{now()};
  auto received = connection.stream->recv({&unasked, 1});
  return received || received.error() != errc::timed_out;
}

/// Whether the connection is to blame, and not the request, the response or the caller.
bool is_lost_connection(std::error_code why) {
  return why != errc::cancelled && why != errc::timed_out && why != errc::malformed && why != errc::too_large;
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
      pool_{std::make_shared<detail::connection_pool>(options_.max_idle_per_host, options_.idle_timeout)} {}

client::~client() = default;

result<client_response> client::send(const url& where, const client_request& request) {
  if (!is_good(request)) return failure(errc::malformed);
  deadline_scope limit{options_.timeout};
  const detail::exchange_limits limits{options_.max_header_bytes, options_.max_header_fields, options_.max_body_bytes,
                                       options_.body_idle_timeout};
  auto host = where.host_field();
  std::ranges::transform(host, host.begin(), detail::lower);

  auto kept = pool_->take(host);
  // What must not happen twice cannot be tried again: then it is worth a look.
  if (kept && !is_idempotent(request.method) && is_stale(*kept)) kept.reset();
  for (;;) {
    const bool was_kept = kept != nullptr;
    auto connection = std::move(kept);
    if (!connection) {
      auto stream = options_.connect ? options_.connect(where) : connect_tcp(where);
      if (!stream) return std::unexpected{stream.error()};
      connection = std::make_unique<detail::client_connection>(std::move(*stream), options_.timeout);
    }
    auto exchange = std::make_unique<detail::client_exchange>(limits, pool_, host, std::move(connection));
    auto done = exchange->carry_out(request, where);
    if (done) return client_response{std::move(exchange)};
    bool try_again = was_kept && is_idempotent(request.method) && is_lost_connection(done.error()) &&
                     !exchange->heard() && !exchange->stream_begun();
    if (!try_again) return std::unexpected{done.error()};
  }
}

std::size_t client::idle_connections() const noexcept { return pool_->size(); }

}  // namespace weft::http
