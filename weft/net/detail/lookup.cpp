#include "weft/net/detail/lookup.hpp"

#include <ares.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>

#include "weft/io/detail/descriptor_table.hpp"
#include "weft/net/detail/socket.hpp"

namespace weft::io {
namespace {

constexpr int unwatched = ARES_SOCKET_BAD;

[[nodiscard]] std::error_code error_of(int status) {
  switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA: return resolve_errc::no_such_host;
    case ARES_ETIMEOUT: return errc::timed_out;
    case ARES_EBADNAME:
    case ARES_EBADSTR: return errc::malformed;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION: return errc::cancelled;
    case ARES_ENOMEM: return std::make_error_code(std::errc::not_enough_memory);
    default: return resolve_errc::no_answer;
  }
}

[[nodiscard]] result<void> outcome_of(int status) {
  if (status != ARES_SUCCESS) return std::unexpected{error_of(status)};
  return {};
}

[[nodiscard]] result<void> prepare_c_ares() {
  static const int status = ::ares_library_init(ARES_LIB_INIT_ALL);
  return outcome_of(status);
}

/// "192.0.2.1:53,[2001:db8::1]:53"
[[nodiscard]] std::string listed(const std::vector<endpoint>& servers) {
  std::string list;
  for (const auto& server : servers) list += (list.empty() ? "" : ",") + server.to_string();
  return list;
}

[[nodiscard]] result<std::vector<endpoint>> endpoints_of(const ares_addrinfo& found) {
  std::vector<endpoint> endpoints;
  for (const auto* node = found.nodes; node; node = node->ai_next) {
    if (auto address = socket_address::from(*node->ai_addr)) endpoints.push_back(*address);
  }
  if (endpoints.empty()) return std::unexpected{std::error_code{resolve_errc::no_such_host}};
  return endpoints;
}

}  // namespace

[[gnu::noinline]] bool lookup_ready_operation::attempt() {
  auto done = detail::call_when_ready(reference_, detail::direction::receive, 0, [](int number) -> ssize_t {
    epoll_event event;
    auto found = ::epoll_wait(number, &event, 1, 0);
    if (found == 0) errno = EAGAIN;
    return found == 0 ? -1 : found;
  });
  if (!done) return false;
  if (!*done) outcome_ = std::unexpected{done->error()};
  return true;
}

lookup::~lookup() {
  if (channel_) ::ares_destroy(channel_);  // answers with ARES_EDESTRUCTION, and closes its sockets
}

[[gnu::noinline]] result<void> lookup::start(const std::string& host, std::uint16_t port,
                                             const resolve_options& options) {
  if (auto prepared = prepare_c_ares(); !prepared) return prepared;
  gathered_number_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (gathered_number_ < 0) return failure_from_errno(errno);
  auto gathered = detail::descriptor::attach(gathered_number_);
  if (!gathered) return std::unexpected{gathered.error()};
  gathered_ = std::move(*gathered);

  ares_options wishes{};
  int given = ARES_OPT_SOCK_STATE_CB;
  wishes.sock_state_cb = watch;
  wishes.sock_state_cb_data = this;
  if (options.timeout > duration::zero()) {
    using milliseconds = std::chrono::duration<int, std::milli>;
    given |= ARES_OPT_TIMEOUTMS;
    // c-ares doubles it: a day is as good as never, and leaves room for that.
    wishes.timeout = std::chrono::ceil<milliseconds>(std::min<duration>(options.timeout, std::chrono::days{1})).count();
  }
  if (options.tries != 0) {
    given |= ARES_OPT_TRIES;
    wishes.tries = static_cast<int>(options.tries);
  }
  if (auto made = outcome_of(::ares_init_options(&channel_, &wishes, given)); !made) return made;
  if (!options.servers.empty()) {
    auto set = outcome_of(::ares_set_servers_ports_csv(channel_, listed(options.servers).c_str()));
    if (!set) return set;
  }
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NUMERICSERV;
  ::ares_getaddrinfo(channel_, host.c_str(), std::to_string(port).c_str(), &hints, answered, this);
  return {};
}

time_point lookup::next_timeout() const {
  timeval left{};
  if (!::ares_timeout(channel_, nullptr, &left)) return no_deadline;
  return deadline_after(std::chrono::seconds{left.tv_sec} + std::chrono::microseconds{left.tv_usec});
}

[[gnu::noinline]] void lookup::process() {
  std::array<epoll_event, 16> events;
  int count = ::epoll_wait(gathered_number_, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count && !answer_; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    bool failed = event.events & (EPOLLERR | EPOLLHUP);
    ::ares_process_fd(channel_, failed || (event.events & EPOLLIN) ? event.data.fd : unwatched,
                      failed || (event.events & EPOLLOUT) ? event.data.fd : unwatched);
  }
  if (!answer_) ::ares_process_fd(channel_, unwatched, unwatched);  // its timeouts
}

void lookup::watch(void* self, int socket, int readable, int writable) {
  int gathered = static_cast<lookup*>(self)->gathered_number_;
  auto wanted = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
  epoll_event event{.events = wanted, .data = {.fd = socket}};
  if (wanted == 0) {
    ::epoll_ctl(gathered, EPOLL_CTL_DEL, socket, nullptr);
  } else if (::epoll_ctl(gathered, EPOLL_CTL_MOD, socket, &event) != 0) {
    // Not in it yet. Should this fail too, the timeout asks again.
    ::epoll_ctl(gathered, EPOLL_CTL_ADD, socket, &event);
  }
}

void lookup::answered(void* self, int status, int, ares_addrinfo* found) {
  auto& answer = static_cast<lookup*>(self)->answer_;
  std::unique_ptr<ares_addrinfo, decltype(&::ares_freeaddrinfo)> owned{found, &::ares_freeaddrinfo};
  auto good = outcome_of(status);
  if (good) {
    answer = endpoints_of(*found);
  } else {
    answer = std::unexpected{good.error()};
  }
}

}  // namespace weft::io
