#include "models.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include <weft/runtime/run.hpp>
#include <weft/sync/channel.hpp>

namespace gallery {
namespace {

weft::result<void> serve_by_threads(weft::http::server& server, weft::tcp_listener& listener) {
  return server.serve(listener, [](weft::http::connection_job job) {
    // serve() returns after the last job has; the threads need no joining.
    auto owned = std::make_unique<weft::http::connection_job>(std::move(job));
    try {
      std::thread([each = owned.get()] {
        const std::unique_ptr<weft::http::connection_job> serving(each);
        (*serving)();
      }).detach();
      static_cast<void>(owned.release());  // the thread's
    } catch (const std::system_error&) {
      // No thread to be had: the job is dropped, which closes the connection.
    }
  });
}

weft::result<void> serve_by_pool(weft::http::server& server, weft::tcp_listener& listener, std::size_t threads) {
  weft::channel<weft::http::connection_job> waiting(weft::unbounded);
  std::vector<std::jthread> pool;
  const struct close_at_end {  // before the threads are joined, however this ends
    weft::channel<weft::http::connection_job>& closed;
    ~close_at_end() { closed.close(); }
  } closing{waiting};
  try {
    for (std::size_t index = 0; index < threads; ++index) {
      pool.emplace_back([&waiting] {
        for (auto& job : waiting) job();
      });
    }
  } catch (const std::system_error& failed) {
    throw std::runtime_error(fmt::format("cannot start {} threads ({}): choose fewer with --pool-threads", threads,
                                         failed.code().message()));
  }
  return server.serve(listener, [&waiting](weft::http::connection_job job) {
    static_cast<void>(waiting.send(std::move(job)));  // never closed before serve() returns
  });
}

}  // namespace

int run_under(model which, const std::function<int()>& program) {
  return which == model::virtual_threads ? weft::run(program) : program();
}

weft::result<void> serve(weft::http::server& server, weft::tcp_listener& listener, model which,
                         std::size_t pool_threads) {
  switch (which) {
    case model::single: return server.serve(listener, [](weft::http::connection_job job) { job(); });
    case model::threads: return serve_by_threads(server, listener);
    case model::pool:
      return serve_by_pool(server, listener,
                           pool_threads > 0 ? pool_threads : std::max(1u, std::thread::hardware_concurrency()));
    case model::virtual_threads: return server.serve(listener);
  }
  return {};
}

void adapt(weft::http::server_options& limits, model which) {
  if (which != model::single && which != model::pool) return;
  limits.kept = weft::http::keep_alive::pipelined;
  limits.max_requests_per_connection = 100;  // a pipeline that never ends would keep everybody out, too
}

}  // namespace gallery
