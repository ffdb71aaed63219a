#include <weft/base/detail/event_count.hpp>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace weft::base {

#if defined(__linux__)

void event_count::wait() noexcept {
  // relaxed: what is waited for is looked at anew
  while (word_.load(std::memory_order_relaxed) == waited_for) {
    ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, waited_for, nullptr, nullptr, 0);
  }
}

void event_count::wake() noexcept {
  // relaxed: the waiter looks anew at what it waits for
  if (word_.exchange(quiet, std::memory_order_relaxed) == waited_for) {
    ::syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

#else

void event_count::wait() noexcept {
  word_.wait(waited_for, std::memory_order_relaxed);  // relaxed: what is waited for is looked at anew
}

void event_count::wake() noexcept {
  word_.store(quiet, std::memory_order_relaxed);  // relaxed: as above
  word_.notify_one();
}

#endif

}  // namespace weft::base
