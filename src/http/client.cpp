#include <weft/http/client.hpp>

#include "http/client_pool.hpp"

namespace weft::http {
namespace detail {

std::unique_ptr<client_connection> client_pool::take(const std::string& key) {
  std::vector<std::unique_ptr<client_connection>> old;  // closed after the mutex is let go
  std::lock_guard guard{mutex_};
  auto& idle = idle_[key];
  while (!idle.empty()) {
    auto connection = std::move(idle.back());
    idle.pop_back();
    if (now() - connection->kept_since < options.idle_timeout) return connection;
    old.push_back(std::move(connection));
  }
  return nullptr;
}

void client_pool::keep(std::unique_ptr<client_connection> connection) {
  connection->kept_since = now();
  std::unique_ptr<client_connection> oldest;  // closed after the mutex is let go
  std::lock_guard guard{mutex_};
  auto& idle = idle_[connection->key()];
  if (options.max_idle_per_host == 0) {
    oldest = std::move(connection);
    return;
  }
  if (idle.size() >= options.max_idle_per_host) {
    oldest = std::move(idle.front());
    idle.erase(idle.begin());
  }
  idle.push_back(std::move(connection));
}

}  // namespace detail

client_response::client_response(std::unique_ptr<detail::client_connection> connection) noexcept
    : connection_{std::move(connection)} {}
client_response::client_response(client_response&& other) noexcept = default;

client_response& client_response::operator=(client_response&& other) noexcept {
  std::swap(connection_, other.connection_);
  return *this;
}

client_response::~client_response() {
  if (connection_ && connection_->can_be_kept()) {
    auto& pool = connection_->pool();
    pool.keep(std::move(connection_));
  }
}

unsigned client_response::status() const noexcept { return connection_->head().status; }
std::span<const header_field> client_response::headers() const noexcept { return connection_->head().fields; }
body_reader& client_response::body() noexcept { return connection_->body(); }

client::client(client_options options) : pool_{std::make_unique<detail::client_pool>(std::move(options))} {}
client::~client() = default;

result<client_response> client::send(const url& where, const client_request& request) {
  if (auto kept = pool_->take(where.host_field())) {
    auto answered = kept->exchange(request, where.target);
    if (answered) return client_response{std::move(kept)};
    // The server may have closed the connection while it was kept; then it has not seen the request. A request that
    // must not be done twice is not tried again all the same: the two cases look alike.
    bool closed = answered.error() == errc::end_of_stream || answered.error() == std::errc::connection_reset ||
                  answered.error() == std::errc::broken_pipe;
    bool again = closed && !kept->answer_began() && is_idempotent(request.method) && !request.stream;
    if (!again) return std::unexpected{answered.error()};
  }
  auto stream = tcp_stream::connect(where.host, where.port);
  if (!stream) return std::unexpected{stream.error()};
  auto fresh = std::make_unique<detail::client_connection>(*pool_, where, std::move(*stream));
  if (auto answered = fresh->exchange(request, where.target); !answered) return std::unexpected{answered.error()};
  return client_response{std::move(fresh)};
}

}  // namespace weft::http
