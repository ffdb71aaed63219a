#include <weft/http/server.hpp>

#include <utility>

#include "http/server_connection.hpp"

namespace weft::http {
namespace detail {

struct server_state {
  server_state(router routes, server_options options) : core{std::move(routes), std::move(options)} {}

  server_core core;
};

}  // namespace detail

namespace {

router only(handler answer) {
  router routes;
  routes.otherwise(std::move(answer));
  return routes;
}

}  // namespace

server::server(router routes, server_options options)
    : state_{std::make_unique<detail::server_state>(std::move(routes), std::move(options))} {}

server::server(handler answer, server_options options) : server{only(std::move(answer)), std::move(options)} {}

server::~server() = default;

void server::serve_connection(byte_stream& stream, std::string_view peer) {
  detail::server_connection connection{stream, state_->core, peer};
  connection.run();
}

void server::stop() noexcept {
  // seq_cst: see live_connection::rest()
  state_->core.stopping.store(true, std::memory_order_seq_cst);
  state_->core.connections.close_resting();
}

std::size_t server::connections() const noexcept { return state_->core.connections.size(); }

const router& server::routes() const noexcept { return state_->core.routes; }

}  // namespace weft::http
