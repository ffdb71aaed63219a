#include "weft/http/server/connection_registry.hpp"

namespace weft::http::detail {

void connection_registry::close_idle() {
  std::scoped_lock guard{lock_};
  connections_.for_each([](live_connection& connection) {
    auto seen = live_connection::state::idle;
    // seq_cst: see live_connection::become_idle()
    if (connection.state_.compare_exchange_strong(seen, live_connection::state::closing, std::memory_order_seq_cst)) {
      connection.stream_.close();
    }
  });
}

void connection_registry::close_all() {
  std::scoped_lock guard{lock_};
  connections_.for_each([](live_connection& connection) { connection.stream_.close(); });
}

}  // namespace weft::http::detail
