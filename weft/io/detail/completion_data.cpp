#include "weft/io/detail/completion_data.hpp"

#include <cerrno>

#include <sys/epoll.h>

#include <weft/stack/detail/parked_flows.hpp>

namespace weft::io {

using detail::descriptor;

bool deliver_events(const completion& one) noexcept {
  if (one.outcome < 0) {
    // Ended by us, who watch it elsewhere or closed it.
    if (one.outcome != -ECANCELED) descriptor::refuse(one.data, -one.outcome);
    return false;
  }
  auto events = static_cast<std::uint32_t>(one.outcome);
  bool failed = events & (EPOLLERR | EPOLLHUP);
  descriptor::deliver(one.data, {.receive = failed || (events & (EPOLLIN | EPOLLRDHUP)),
                                 .send = failed || (events & EPOLLOUT),
                                 .hung_up = failed || (events & EPOLLRDHUP)});
  // The kernel ends a poll when completions have no room: watch a descriptor that may change again.
  return !one.has_more() && !failed && descriptor::is_registered(one.data);
}

void deliver_file(const completion& one) noexcept {
  auto& request = *reinterpret_cast<detail::file_request*>(one.data);
  std::int64_t outcome = one.outcome;
  // A buffer on the stack of another task, which was put away: the kernel does not bring it back itself. Rare enough to
  // make the call here.
  if (outcome == -EFAULT && stack::bring_back(request.call.buffer, request.call.bytes)) outcome = request.call.make();
  request.completed(outcome);
}

}  // namespace weft::io
