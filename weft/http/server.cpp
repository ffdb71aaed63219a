#include <weft/http/server.hpp>

#include <utility>

#include <weft/task/scope.hpp>

#include "weft/http/server/accept_loop.hpp"
#include "weft/http/server/server_connection.hpp"

namespace weft::http {
namespace {

router only(handler answer) {
  router routes;
  routes.otherwise(std::move(answer));
  return routes;
}

result<void> accept_and_drain(detail::server_state& state, tcp_listener& listener, const connection_executor& execute,
                              const std::function<void()>& give_up) {
  auto loop = std::make_shared<detail::accept_loop>(state, listener, execute);
  struct drain_at_end {
    detail::accept_loop& loop;
    const std::function<void()>& give_up;
    ~drain_at_end() { loop.drain(give_up); }
  } drainer{*loop, give_up};
  return loop->run();
}

}  // namespace

connection_job::connection_job(std::unique_ptr<detail::accepted_connection> connection) noexcept
    : connection_{std::move(connection)} {}
connection_job::connection_job(connection_job&&) noexcept = default;
connection_job& connection_job::operator=(connection_job&&) noexcept = default;
connection_job::~connection_job() = default;

void connection_job::operator()() noexcept {
  auto connection = std::move(connection_);
  try {
    connection->run();
  } catch (...) {
    // Handlers' exceptions never get here: the memory for the connection ran out, or a hook threw. It is closed.
  }
}

server::server(router routes, server_options options)
    : state_{std::make_unique<detail::server_state>(std::move(routes), std::move(options))} {}

server::server(handler answer, server_options options) : server{only(std::move(answer)), std::move(options)} {}

server::~server() = default;

result<void> server::serve(tcp_listener& listener) {
  scope connections;
  auto execute = [&](connection_job job) { connections.spawn({.name = "http connection"}, std::move(job)); };
  return accept_and_drain(*state_, listener, execute, [&] { connections.cancel(); });
}

result<void> server::serve(tcp_listener& listener, const connection_executor& run) {
  return accept_and_drain(*state_, listener, run, [] {});
}

void server::serve_connection(byte_stream& stream, std::string_view peer) {
  detail::server_connection connection{stream, state_->core, peer};
  connection.run();
}

void server::stop() noexcept { state_->stop(); }

std::size_t server::connections() const noexcept { return state_->core.connections.size(); }

const router& server::routes() const noexcept { return state_->core.routes; }

}  // namespace weft::http
