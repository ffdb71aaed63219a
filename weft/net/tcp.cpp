#include <weft/net/resolve.hpp>
#include <weft/net/tcp.hpp>

#include <algorithm>
#include <array>
#include <cerrno>

#include <netinet/tcp.h>
#include <sys/uio.h>

#include <weft/combine/when_any.hpp>
#include "weft/task/detail/in_place.hpp"

#include "weft/io/detail/descriptor_table.hpp"
#include "weft/net/detail/socket.hpp"

// What makes system calls is never inlined: a task may wake on another OS thread, and a compiler may keep the address
// of errno in a register across the wait.

namespace weft {

namespace {

using detail::buffer_on_parked_stack;
using detail::call_when_ready;
using detail::descriptor_use;
using detail::direction;

}  // namespace

// ---- receiving and sending

[[gnu::noinline]] bool recv_operation::attempt() {
  buffer_on_parked_stack buffer{into_.data(), into_.size()};
  auto done = call_when_ready(
      reference_, direction::receive, into_.size(),
      [this](int number) { return ::recv(number, into_.data(), into_.size(), 0); }, [&] { return buffer.is_back(); });
  if (!done) return false;
  outcome_ = *done;
  if (outcome_ == std::size_t{0} && !into_.empty()) outcome_ = failure(errc::end_of_stream);
  return true;
}

[[gnu::noinline]] bool send_operation::attempt() {
  buffer_on_parked_stack buffer{from_.data(), from_.size()};
  auto done = call_when_ready(
      reference_, direction::send, from_.size(),
      [this](int number) { return ::send(number, from_.data(), from_.size(), MSG_NOSIGNAL); },
      [&] { return buffer.is_back(); });
  if (!done) return false;
  outcome_ = *done;
  return true;
}

[[gnu::noinline]] bool send_all_operation::attempt() {
  constexpr std::size_t most_at_once = 64;
  advance(0);
  while (!pieces_.empty()) {
    std::array<iovec, most_at_once> vectors;
    std::size_t count = 0, bytes = 0;
    for (auto piece : pieces_.first(std::min(pieces_.size(), most_at_once))) {
      if (count == 0) piece = piece.subspan(sent_of_first_);
      vectors[count++] = {const_cast<std::byte*>(piece.data()), piece.size()};
      bytes += piece.size();
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    int tries = 0;
    auto done = call_when_ready(
        reference_, direction::send, bytes,
        [&](int number) {
          // One piece is the usual case, and send() leaves the kernel less to copy and check.
          return count == 1 ? ::send(number, vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL)
                            : ::sendmsg(number, &message, MSG_NOSIGNAL);
        },
        [&] {
          bool any = false;
          for (const auto& each : std::span{vectors}.first(count))
            any |= stack::bring_back(each.iov_base, each.iov_len);
          return any && ++tries <= buffer_on_parked_stack::most_tries;
        });
    if (!done) return false;
    if (!*done) {
      outcome_ = std::unexpected{done->error()};
      return true;
    }
    advance(**done);
  }
  return true;
}

void send_all_operation::advance(std::size_t sent) noexcept {
  sent_of_first_ += sent;
  while (!pieces_.empty() && sent_of_first_ >= pieces_.front().size()) {
    sent_of_first_ -= pieces_.front().size();
    pieces_ = pieces_.subspan(1);
  }
}

// ---- streams

tcp_stream::connect_operation::connect_operation(const endpoint& peer)
    : descriptor_operation{detail::descriptor_reference{}}, peer_{peer} {}

// The first attempt starts to connect; the socket becomes ready to send when that is decided.
[[gnu::noinline]] bool tcp_stream::connect_operation::attempt() {
  if (!begun_) return begin();
  auto decided = call_when_ready(reference_, direction::send, 0, [](int number) -> ssize_t {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(number, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -1;
    if (error != 0) {
      errno = error;
      return -1;
    }
    // No error and no peer: not decided yet.
    io::socket_address peer;
    if (::getpeername(number, peer.data(), peer.size()) == 0) return 0;
    if (errno == ENOTCONN) errno = EAGAIN;
    return -1;
  });
  if (!decided) return false;
  if (*decided) {
    outcome_ = tcp_stream{std::move(socket_)};
  } else {
    outcome_ = std::unexpected{decided->error()};
  }
  return true;
}

bool tcp_stream::connect_operation::begin() {
  begun_ = true;
  auto number = io::make_tcp_socket(peer_);
  if (!number) return fail_with(number.error());
  auto owned = detail::descriptor::attach(*number);
  if (!owned) return fail_with(owned.error());
  socket_ = std::move(*owned);
  reference_ = socket_.get();
  if (auto set = io::set_option(*number, IPPROTO_TCP, TCP_NODELAY, 1); !set) return fail_with(set.error());
  io::socket_address address{peer_};
  descriptor_use use{reference_};
  auto seen = use.peek(direction::send);
  if (::connect(*number, address.data(), *address.size()) == 0) {
    outcome_ = tcp_stream{std::move(socket_)};
    return true;
  }
  // After EINTR the connection is made all the same, and asking again would be an error.
  if (errno != EINPROGRESS && errno != EINTR) return fail_with({errno, std::system_category()});
  use.found_nothing(direction::send, seen);
  return false;
}

bool tcp_stream::connect_operation::fail_with(std::error_code error) {
  outcome_ = std::unexpected{error};
  return true;
}

tcp_stream::connect_operation tcp_stream::async_connect(const endpoint& peer) { return connect_operation{peer}; }

result<tcp_stream> tcp_stream::connect(const endpoint& peer) { return await(async_connect(peer)); }

result<tcp_stream> tcp_stream::connect(std::string_view host, std::uint16_t port) {
  detail::in_place waits;
  return await(async_connect(std::string{host}, port));
}

task<result<tcp_stream>> tcp_stream::async_connect(std::string host, std::uint16_t port) {
  auto peers = co_await async_resolve(std::move(host), port);
  if (!peers) co_return std::unexpected{peers.error()};
  auto outcome = result<tcp_stream>{failure(errc::unavailable)};
  for (const auto& peer : *peers) {
    outcome = co_await async_connect(peer);
    if (outcome || outcome.error() == errc::cancelled || outcome.error() == errc::timed_out) break;
  }
  co_return outcome;
}

// Whatever the reactor has heard of: an event may be under way.
[[gnu::noinline]] result<std::size_t> tcp_stream::try_recv(std::span<std::byte> into) {
  descriptor_use use{socket_.get()};
  if (!use) return failure(errc::closed);
  buffer_on_parked_stack buffer{into.data(), into.size()};
  while (true) {
    const ssize_t received = ::recv(use.number(), into.data(), into.size(), MSG_DONTWAIT);
    if (received > 0) return static_cast<std::size_t>(received);
    if (received == 0) return failure(errc::end_of_stream);
    const int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK) return 0;
    if (error != EINTR && !(error == EFAULT && buffer.is_back())) {
      return use.was_closed() ? failure(errc::closed) : failure_from_errno(error);
    }
  }
}

result<stream_progress> tcp_stream::send_or_recv(std::span<const std::byte> from, std::span<std::byte> into) {
  auto& self = detail::current_stack();
  while (true) {
    auto received = try_recv(into);
    if (!received) return std::unexpected{received.error()};
    if (*received > 0) return stream_progress{.received = *received};
    if (self.kind() != detail::task_kind::os_thread) break;
    auto sending = async_send(from);
    if (sending.try_complete()) {
      auto sent = sending.take();
      if (!sent) return std::unexpected{sent.error()};
      return stream_progress{.sent = *sent};
    }
    detail::blocked_in_place blocked{wait_kind::socket};
    if (auto ready = socket_.get().block_for_either(self.deadline()); !ready) return std::unexpected{ready.error()};
  }
  auto done = await(when_any(async_send(from), async_recv(into)));
  if (!done) return std::unexpected{done.error()};
  const auto& count = done->index() == 0 ? std::get<0>(*done) : std::get<1>(*done);
  if (!count) return std::unexpected{count.error()};
  return done->index() == 0 ? stream_progress{.sent = *count} : stream_progress{.received = *count};
}

result<void> tcp_stream::shutdown_send() {
  descriptor_use use{socket_.get()};
  if (!use) return failure(errc::closed);
  if (::shutdown(use.number(), SHUT_WR) != 0) return failure_from_errno(errno);
  return {};
}

namespace {

using name_call = int(int, sockaddr*, socklen_t*);

result<endpoint> name_of(const detail::descriptor_reference& socket, name_call* call) {
  descriptor_use use{socket};
  if (!use) return failure(errc::closed);
  io::socket_address address;
  if (call(use.number(), address.data(), address.size()) != 0) return failure_from_errno(errno);
  return address.to_endpoint();
}

}  // namespace

result<endpoint> tcp_stream::local() const { return name_of(socket_.get(), ::getsockname); }
result<endpoint> tcp_stream::peer() const { return name_of(socket_.get(), ::getpeername); }

// ---- listeners

[[gnu::noinline]] bool accept_operation::attempt() {
  // TCP_NODELAY is inherited from the listening socket.
  auto done = call_when_ready(reference_, direction::receive, 0, [](int number) -> ssize_t {
    while (true) {
      int accepted = ::accept4(number, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      // A connection that ended before it was accepted is no reason to stop; nor is a network error of its own.
      if (accepted >= 0 || (errno != ECONNABORTED && errno != EPROTO)) return accepted;
    }
  });
  if (!done) return false;
  if (!*done) {
    outcome_ = std::unexpected{done->error()};
  } else if (auto owned = detail::descriptor::attach(static_cast<int>(**done)); owned) {
    outcome_ = tcp_stream{std::move(*owned)};
  } else {
    outcome_ = std::unexpected{owned.error()};
  }
  return true;
}

namespace {

result<void> prepare_to_listen(int number, const endpoint& address) {
  if (auto set = io::set_option(number, SOL_SOCKET, SO_REUSEADDR, 1); !set) return set;
  if (address.is_ipv6()) {
    if (auto set = io::set_option(number, IPPROTO_IPV6, IPV6_V6ONLY, 1); !set) return set;
  }
  return io::set_option(number, IPPROTO_TCP, TCP_NODELAY, 1);
}

}  // namespace

result<tcp_listener> tcp_listener::bind(std::string_view address_and_port, listen_options options) {
  auto address = endpoint::parse(address_and_port);
  if (!address) return std::unexpected{address.error()};
  return bind(*address, options);
}

[[gnu::noinline]] result<tcp_listener> tcp_listener::bind(const endpoint& address, listen_options options) {
  auto number = io::make_tcp_socket(address);
  if (!number) return std::unexpected{number.error()};
  auto owned = detail::descriptor::attach(*number);
  if (!owned) return std::unexpected{owned.error()};
  if (auto set = prepare_to_listen(*number, address); !set) return std::unexpected{set.error()};
  io::socket_address wanted{address};
  if (::bind(*number, wanted.data(), *wanted.size()) != 0 || ::listen(*number, options.backlog) != 0) {
    return failure_from_errno(errno);
  }
  io::socket_address bound;
  if (::getsockname(*number, bound.data(), bound.size()) != 0) return failure_from_errno(errno);
  return tcp_listener{std::move(*owned), bound.to_endpoint()};
}

}  // namespace weft
