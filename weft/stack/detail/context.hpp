#pragma once

#include <cstddef>
#include <cstdint>

#include <weft/stack/detail/instrumentation.hpp>
#include <weft/stack/detail/machine.hpp>

namespace weft::stack {

class slot;
struct sanitizer;

/// One flow of control: an OS thread's own, or one with a stack from a `stack_pool`. While it does not run, it is a
/// stack pointer and the C++ exception state that travels with it.
///
/// A flow may leave one OS thread and go on in another, also in the middle of a catch block or of a destructor that
/// runs during unwinding. What belongs to the OS thread does not travel: **a pointer or reference to a thread_local
/// or to errno that was taken before a switch means the old thread's afterwards.** Compilers assume that a function
/// stays on its thread: they keep such addresses in registers, and merge calls of pthread_self() and so of
/// std::this_thread::get_id(). A function that switches, or that one which switches was inlined into, must not name
/// any of these on both sides: reach them through a function that is never inlined (`[[gnu::noinline]]`, with an empty
/// `asm volatile("")` so that calls of it are not merged either).
///
/// Thread: owner. Between a switch from a flow and the next switch to it, the flow may be handed to another OS thread;
///   the hand-over itself must order the two (release and acquire), and must begin only when the switch is over, which
///   means on the other side of it.
/// Lifetime: outlives the flow. May lie on the flow's own stack.
class alignas(64) context {
 public:
  /// The calling OS thread's own flow. Belongs to the thread that first switches away from it, until it is destroyed.
  context() noexcept = default;
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  /// Makes this a new flow that runs `entry(argument)` on the stack between `stack_bottom` and `stack_top` when it is
  /// first switched to. Touches only a few words below `stack_top`, which needs no alignment and may lie below
  /// `owner->top()`. `owner` is the slot that the stack is part of.
  /// `entry` does not return and lets no exception out: it ends in exit_to(). The flow begins with the caller's
  /// floating-point control words, as an OS thread does.
  void prepare(std::byte* stack_bottom, std::byte* stack_top, slot* owner, void (*entry)(void*),
               void* argument) noexcept;

  /// Saves the running flow into `from` and goes on with `to`, in this OS thread. Returns when something switches to
  /// `from`, perhaps in another OS thread. Inlined, with a stack trace and a branch prediction in mind: see
  /// machine.hpp.
  [[gnu::always_inline]] static void switch_to(context& from, context& to) noexcept {
    if constexpr (instrumented) {
      switch_instrumented(from, to);
    } else {
      pass_thread(from, to);
      machine::switch_flow(from.saved_, to.saved_);
    }
  }

  /// Ends the running flow, `from`, and goes on with `to`. When `to` runs, nothing uses the stack of `from` any more.
  [[noreturn]] static void exit_to(context& from, context& to) noexcept;

  /// The return addresses of a flow that does not run, innermost first, the first being where it will go on. Writes at
  /// most `capacity` of them and returns how many; none where weft has no assembly of its own for the processor.
  /// Nobody switches to the flow meanwhile. For the running flow there is backtrace(), which finds the same frames.
  std::size_t backtrace(void** addresses, std::size_t capacity) const noexcept;

  /// The lowest byte of its stack that a flow that does not run needs; null where weft has no assembly of its own for
  /// the processor. Nobody switches to the flow meanwhile.
  [[nodiscard]] const std::byte* lowest_live() const noexcept { return machine::lowest_live(saved_); }

 private:
  friend struct sanitizer;

  /// The layout that the C++ ABI gives to what __cxa_get_globals() returns.
  struct exception_state {
    void* caught = nullptr;
    unsigned int uncaught = 0;
    [[nodiscard]] std::uintptr_t bits() const noexcept { return reinterpret_cast<std::uintptr_t>(caught) | uncaught; }
  };

  // A flow stays in one OS thread between two switches, and the thread that runs `from` is the one that will run `to`.
  // So the address of the thread's exception state is handed from flow to flow, beginning with the thread's own flow,
  // which looks it up once. No switch needs to find its thread.
  [[gnu::always_inline]] static void pass_thread(context& from, context& to) noexcept {
    if constexpr (checked) from.check_thread();
    if (to.running_exceptions_ != from.running_exceptions_) [[unlikely]]
      hand_thread_on(from, to);
    exception_state& thread = *from.running_exceptions_;
    if ((thread.bits() | to.exceptions_.bits()) != 0) [[unlikely]]
      exchange_exceptions(thread, from, to);
  }

  static void hand_thread_on(context& from, context& to) noexcept;
  static void exchange_exceptions(exception_state& thread, context& from, context& to) noexcept;
  static void switch_instrumented(context& from, context& to) noexcept;
  void bind() noexcept;
  void check_thread() const noexcept;

  machine::saved_flow saved_;   // while the flow does not run
  exception_state exceptions_;  // likewise
  exception_state* running_exceptions_ =
      nullptr;            // the OS thread's while the flow runs, that of the last one while not
  slot* slot_ = nullptr;  // null: an OS thread's own stack

  // For the sanitizers alone.
  [[maybe_unused]] void* fiber_ = nullptr;
  [[maybe_unused]] void* fake_stack_ = nullptr;
  [[maybe_unused]] const std::byte* stack_bottom_ = nullptr;
  [[maybe_unused]] std::size_t stack_bytes_ = 0;
};

/// Where the caller is, as addresses in the code, innermost first, itself included. Returns how many there are, up to
/// `capacity`.
[[nodiscard]] std::size_t backtrace_here(void** addresses, std::size_t capacity) noexcept;

}  // namespace weft::stack
