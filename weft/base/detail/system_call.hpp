#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace weft::base {

// What another thread of the process sleeps in, and what a signal would do to that. Linux only.

/// What the system says of a thread that sleeps; see proc(5), /proc/<pid>/syscall.
struct sleeping_thread {
  long call = -1;  ///< the number of the system call; -1 for a page fault
  std::array<unsigned long, 6> arguments{};
  unsigned long stack_pointer = 0, program_counter = 0;
};

enum class thread_condition : std::uint8_t { unknown, running, asleep };

/// What a thread of this process does; fills in `asleep` when it sleeps.
[[nodiscard]] thread_condition condition_of(int thread_id, sleeping_thread& asleep) noexcept;

/// "read"; null for a call that is not known here.
[[nodiscard]] const char* name_of_system_call(long number) noexcept;

/// Whether handlers of weft's have calls made again that failed with EINTR for them.
extern const bool makes_calls_again;

/// Whether a call goes on, as if nothing had been, after a signal whose handler is weft's: by itself (SA_RESTART), or
/// since the handler makes it again, which takes resume_interrupted_call().
[[nodiscard]] bool goes_on_after_interrupt(const sleeping_thread& asleep) noexcept;

/// Before a signal of weft's is sent to a thread that was found asleep: has the handler make the call again.
void expect_interrupted_call(const sleeping_thread& asleep) noexcept;

/// In the handler of a signal that interrupted the calling thread at `context`, a ucontext_t: where that is a call
/// which was expected and fails with EINTR, has it made again instead, on the handler's return; unless a handler of
/// another signal is to run then, which the handler has to block.
void resume_interrupted_call(int own_signal, void* context) noexcept;

}  // namespace weft::base
