#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::stack {

class slot;

/// What is known when a flow has used up its stack and run into the guard below.
struct overflow {
  const slot* stack;             ///< what lies at its top is intact
  const void* address;           ///< whose access faulted
  std::uintptr_t stack_pointer;  ///< of the flow; 0 where it is not known
};

/// Runs in the signal handler, after the first line of the report is written: adds, with write(), what the caller knows
/// about who runs on the stack. Async-signal-safe code only.
using overflow_hook = void (*)(const overflow&) noexcept;

/// Sets what completes the report; null for nothing. Returns the hook before.
/// Thread: any.
overflow_hook set_overflow_hook(overflow_hook hook) noexcept;

/// Says, in the signal handler, on whose stack the interrupted code runs by right; null where that is none of a pool's.
/// Async-signal-safe code only.
using running_stack = const slot* (*)() noexcept;

/// Sets by what an overflow is recognised whose frame is larger than the guard; null for nothing.
/// Thread: any.
void set_running_stack(running_stack find) noexcept;

/// Makes the process report a stack overflow: a fault in the guard of the stack that the code runs on, or between that
/// stack and a stack pointer below it, writes "stack overflow in a virtual thread", the stack's size and a stack trace
/// to standard error. Then, and on any other SIGSEGV, the handler that was there before is called, or the program ends
/// as it would have. Further calls do nothing.
/// Needs an `alternate_signal_stack` in each OS thread that runs flows.
/// Thread: any.
void install_overflow_handler();

/// A stack for the signal handlers of the calling OS thread that ask for one, which they need when the thread's own, or
/// the flow's, is full. What was there before is put back. Where the system has no memory for it, one of a few that are
/// kept for that is taken, or memory is waited for.
/// Thread: created and destroyed in the same one, of which it is a local.
class alternate_signal_stack {
 public:
  alternate_signal_stack() noexcept;
  ~alternate_signal_stack();
  alternate_signal_stack(const alternate_signal_stack&) = delete;
  alternate_signal_stack& operator=(const alternate_signal_stack&) = delete;

 private:
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
  // What was there before.
  void* previous_memory_ = nullptr;
  std::size_t previous_bytes_ = 0;
};

}  // namespace weft::stack
