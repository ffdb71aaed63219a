#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>

#include <weft/base/clock.hpp>
#include <weft/base/detail/intrusive_list.hpp>
#include <weft/http/server.hpp>
#include <weft/net/tcp.hpp>
#include <weft/sync/semaphore.hpp>

#include "weft/http/server/server_core.hpp"

namespace weft::http::detail {

class accept_loop;

/// What the serve() calls of one server share.
struct server_state {
  server_state(router routes, server_options options)
      : core{std::move(routes), std::move(options)}, slots{core.options.max_connections} {}

  /// Any thread, any number of times.
  void stop() noexcept;

  server_core core;
  semaphore slots;           // one for each connection that may be open
  semaphore rejections{64};  // for connections that are being told that there are too many
  std::mutex loops_lock;     // guards loops
  base::intrusive_list<accept_loop> loops;
};

// One serve() call, which connections may outlive by their last instructions:
//
//   accepting --stop(), cancel, or an error for good--> draining --the last connection ended--> over
//                                                          \--drain_timeout, cancel: all connections are closed--/
//
// open_ counts the connections and the loop itself; whoever takes it to zero releases ended_.

/// Accepts connections and hands them over.
/// Thread: the one that calls run() and drain(); stop() and connection_ended() from any.
class accept_loop : public base::list_hook, public std::enable_shared_from_this<accept_loop> {
 public:
  accept_loop(server_state& server, tcp_listener& listener, const connection_executor& execute);

  /// Until the server stops. Fails as accept() does, when that is for good.
  [[nodiscard]] result<void> run();
  /// Waits for the connections that are open; calls `give_up` when they have taken too long and were closed.
  void drain(const std::function<void()>& give_up);

  void stop() noexcept;
  void connection_ended() noexcept;

  [[nodiscard]] server_state& server() noexcept { return server_; }

 private:
  enum class next : std::uint8_t { accept, end };

  [[nodiscard]] result<tcp_stream> accept();
  [[nodiscard]] next hand_over(tcp_stream stream);
  [[nodiscard]] next back_off(std::error_code why);

  server_state& server_;
  tcp_listener& listener_;
  const connection_executor& execute_;
  duration pause_;        // after the next failure
  semaphore stopped_{0};  // ends a pause
  std::atomic<std::size_t> open_{1};
  semaphore ended_{0};
};

/// A connection between accept() and its end, on whichever thread that is.
class accepted_connection {
 public:
  enum class purpose : std::uint8_t { serve, reject };

  accepted_connection(std::shared_ptr<accept_loop> loop, tcp_stream stream, purpose why) noexcept
      : loop_{std::move(loop)}, stream_{std::move(stream)}, purpose_{why} {}
  accepted_connection(const accepted_connection&) = delete;
  accepted_connection& operator=(const accepted_connection&) = delete;
  ~accepted_connection();

  void run();

 private:
  std::shared_ptr<accept_loop> loop_;
  tcp_stream stream_;
  purpose purpose_;
};

}  // namespace weft::http::detail
