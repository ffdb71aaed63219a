#pragma once

#include <cstddef>

#include <weft/base/result.hpp>
#include <weft/http/server.hpp>
#include <weft/http/server_options.hpp>
#include <weft/net/tcp.hpp>

#include "options.hpp"

namespace gallery {

/// Calls `program` where requests of this model can be served from: under weft's runtime for virtual threads, plainly
/// on this thread for all others. Returns what it returned.
int run_under(model which, const std::function<int()>& program);

/// Serves as the model says, until the server is stopped.
[[nodiscard]] weft::result<void> serve(weft::http::server& server, weft::tcp_listener& listener, model which,
                                       std::size_t pool_threads);

/// Adapts limits to a model. Where connections wait for each other's threads, one that stays open without asking
/// anything would keep everybody out: each carries one request, and those that came with it.
void adapt(weft::http::server_options& limits, model which);

}  // namespace gallery
