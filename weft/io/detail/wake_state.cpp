#include "weft/io/detail/wake_state.hpp"

#include <cerrno>

#include <sys/eventfd.h>
#include <unistd.h>

namespace weft::io {

result<int> wake_state::make_eventfd() {
  int number = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (number < 0) return failure_from_errno(errno);
  return number;
}

void wake_state::wake(int eventfd) noexcept {
  // release: publishes what the caller did; pairs with the acquires above
  if (state_.exchange(state::notified, std::memory_order_release) != state::waiting) return;
  std::uint64_t one = 1;
  // Fails only when 2^64 - 1 wake-ups are written.
  static_cast<void>(!::write(eventfd, &one, sizeof one));
}

}  // namespace weft::io
