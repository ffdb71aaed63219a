#pragma once

#include <cstddef>
#include <cstdint>

#include <signal.h>

namespace weft::base {

// Has another thread of the process do something at once, in the middle of whatever it does: in a signal handler, on
// the alternate signal stack where the thread has one.
//
// The signal is SIGURG, which Go's runtime uses for the same: it does nothing to a process that has no handler,
// debuggers let it pass, and hardly anybody else uses it. Whoever does is served: the handler that was there before is
// called for every SIGURG that is not ours. System calls that the signal interrupts go on, by SA_RESTART or since the
// handler makes them again (see system_call.cpp), but for a few, which fail with EINTR: poll and epoll_wait with a
// timeout, sleeping for a time that is not counted down in place (usleep), System V's message queues and semaphores,
// and what the thread began in the microseconds between the look at it and the signal.

// A thread of weft's does not block the signal (allow_here()), even where the program blocks all of them before it
// calls run(). Code of the program's that blocks it on the thread keeps the interrupt waiting for as long.

/// Something to do on other threads.
/// Lifetime: static, that is, as long as any thread that it may be sent to.
class thread_interrupt {
 public:
  /// Async-signal-safe code only.
  using function = void (*)(std::uint32_t argument) noexcept;

  /// Installs the signal handler, if it is the first.
  explicit thread_interrupt(function what);

  /// The calling thread can be interrupted from now on, whatever signals the thread that started it had blocked.
  static void allow_here() noexcept;
  /// What the calling thread has blocked, without the signal: the mask for a call that waits for an interrupt as well.
  [[nodiscard]] static sigset_t mask_that_allows() noexcept;

  /// Has the thread with that number to the system call `what(argument)`. Several that are sent before the first is
  /// taken may be taken as one: who needs an effect looks for it, and sends again. False: there is no such thread.
  /// Thread: any.
  bool send(int thread_id, std::uint32_t argument) const noexcept;

 private:
  std::size_t index_;
};

}  // namespace weft::base
