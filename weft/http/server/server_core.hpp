#pragma once

#include <atomic>
#include <utility>

#include <weft/http/router.hpp>
#include <weft/http/server_options.hpp>

#include "weft/http/server/connection_registry.hpp"

namespace weft::http::detail {

/// What the connections of one server share.
struct server_core {
  server_core(router all_routes, server_options all_options)
      : routes{std::move(all_routes)}, options{std::move(all_options)} {}

  router routes;
  server_options options;
  std::atomic<bool> stopping{false};
  connection_registry connections;
};

}  // namespace weft::http::detail
