#include "io/completion_data.hpp"

#include <sys/epoll.h>

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
  return !one.goes_on() && !failed && descriptor::is_registered(one.data);
}

}  // namespace weft::io
