#include "weft/http/server/accept_loop.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include <weft/combine/shield.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/detail/task_base.hpp>
#include <weft/task/operation.hpp>

#include "weft/http/server/server_connection.hpp"

namespace weft::http::detail {
namespace {

constexpr duration first_pause = std::chrono::milliseconds{5};
constexpr duration longest_pause = std::chrono::seconds{1};

enum class failure_kind : std::uint8_t {
  of_connection,  ///< the client gave up while it was queued, or its network did: the next one may do better
  of_resources,   ///< descriptors or memory ran out: it works again when some are given back
  end,            ///< closed or cancelled
  of_listener,    ///< for good
};

failure_kind kind_of(std::error_code why) noexcept {
  if (why == errc::closed || why == errc::cancelled || why == errc::timed_out) return failure_kind::end;
  using enum std::errc;
  // accept(2): errors of the network that were pending on the new connection are reported here
  for (auto passing : {connection_aborted, interrupted, protocol_error, network_down, no_protocol_option,
                       host_unreachable, operation_not_supported, network_unreachable, operation_not_permitted}) {
    if (why == passing) return failure_kind::of_connection;
  }
  for (auto scarce : {too_many_files_open, too_many_files_open_in_system, no_buffer_space, not_enough_memory}) {
    if (why == scarce) return failure_kind::of_resources;
  }
  return failure_kind::of_listener;
}

}  // namespace

void server_state::stop() noexcept {
  // seq_cst: see live_connection::become_idle()
  core.stopping.store(true, std::memory_order_seq_cst);
  {
    std::scoped_lock guard{loops_lock};
    loops.for_each([](accept_loop& loop) { loop.stop(); });
  }
  core.connections.close_idle();
}

accept_loop::accept_loop(server_state& server, tcp_listener& listener, const connection_executor& execute)
    : server_{server}, listener_{listener}, execute_{execute}, pause_{first_pause} {
  std::scoped_lock guard{server_.loops_lock};
  server_.loops.push_back(*this);
}

void accept_loop::stop() noexcept {
  listener_.close();
  stopped_.release();
  server_.slots.release();  // for a loop that waits for one
}

result<void> accept_loop::run() {
  const bool waits_for_room = server_.core.options.full == when_full::wait;
  // seq_cst: stop() either sees this loop in the list, or this sees that it was called; see server_state::stop()
  while (!server_.core.stopping.load(std::memory_order_seq_cst)) {
    if (waits_for_room && !server_.slots.acquire()) return {};
    auto stream = accept();
    if (stream) {
      if (hand_over(std::move(*stream)) == next::end) return {};
      continue;
    }
    if (waits_for_room) server_.slots.release();
    auto kind = kind_of(stream.error());
    if (kind == failure_kind::end) return {};
    if (kind == failure_kind::of_listener) return std::unexpected{stream.error()};
    if (kind == failure_kind::of_resources && back_off(stream.error()) == next::end) return {};
  }
  return {};
}

result<tcp_stream> accept_loop::accept() try { return listener_.accept(); } catch (const std::bad_alloc&) {
  return std::unexpected{std::make_error_code(std::errc::not_enough_memory)};
}

accept_loop::next accept_loop::hand_over(tcp_stream stream) {
  auto purpose = accepted_connection::purpose::serve;
  if (server_.core.options.full == when_full::refuse && !server_.slots.try_acquire()) {
    if (!server_.rejections.try_acquire()) return next::accept;  // closes it: not even a rejection can be afforded
    purpose = accepted_connection::purpose::reject;
  }
  std::unique_ptr<accepted_connection> connection{
      new (std::nothrow) accepted_connection{shared_from_this(), std::move(stream), purpose}};
  if (!connection) {
    (purpose == accepted_connection::purpose::serve ? server_.slots : server_.rejections).release();
    return back_off(std::make_error_code(std::errc::not_enough_memory));
  }
  // relaxed: the loop itself is counted, so that this cannot be the count's way back from zero
  open_.fetch_add(1, std::memory_order_relaxed);
  try {
    execute_(connection_job{std::move(connection)});
  } catch (const std::system_error& problem) {  // no stack or no thread for it; the connection is closed by now
    return back_off(problem.code());
  } catch (const std::bad_alloc&) {
    return back_off(std::make_error_code(std::errc::not_enough_memory));
  }
  pause_ = first_pause;
  return next::accept;
}

accept_loop::next accept_loop::back_off(std::error_code why) {
  auto pause = std::exchange(pause_, std::min(2 * pause_, longest_pause));
  if (server_.core.options.on_accept_error) server_.core.options.on_accept_error(why, pause);
  deadline_scope limit{pause};
  auto stopped = stopped_.acquire();
  return !stopped && stopped.error() == errc::timed_out ? next::accept : next::end;
}

void accept_loop::drain(const std::function<void()>& give_up) {
  server_.stop();
  {
    std::scoped_lock guard{server_.loops_lock};
    base::intrusive_list<accept_loop>::remove(*this);
  }
  connection_ended();  // the loop itself
  {
    deadline_scope limit{server_.core.options.drain_timeout};
    if (ended_.acquire()) return;
  }
  server_.core.connections.close_all();
  give_up();
  weft::detail::wait_to_the_end(ended_.async_acquire());
}

void accept_loop::connection_ended() noexcept {
  // release: what the connection did is done; acquire, for the last: by all of them
  if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) ended_.release();
}

accepted_connection::~accepted_connection() {
  stream_.close();
  auto& server = loop_->server();
  (purpose_ == purpose::serve ? server.slots : server.rejections).release();
  loop_->connection_ended();  // the server may be gone from here on; the loop is kept by loop_
}

void accepted_connection::run() {
  auto& core = loop_->server().core;
  auto peer = stream_.peer();
  auto name = peer ? peer->to_string() : std::string{};
  server_connection connection{stream_, core, name};
  if (purpose_ == purpose::serve) {
    connection.run();
  } else {
    connection.reject_unread({status::service_unavailable, "Too many connections are open: try again in a moment."});
  }
}

}  // namespace weft::http::detail
