#pragma once

#include <cstddef>
#include <cstdint>

#include <weft/stack/detail/machine.hpp>

// What differs from processor to processor, besides <weft/stack/detail/machine.hpp>. CMake picks a folder of machine/.

extern "C" {

/// Where a new flow begins and where unwinding it ends. Not to be called.
void weft_stack_bottom_frame() noexcept;

/// What weft_stack_bottom_frame() calls; context.cpp has it.
[[noreturn]] void weft_stack_enter(void (*entry)(void*), void* argument) noexcept;

}  // extern "C"

namespace weft::stack::machine {

/// Makes `fresh` a flow that begins with `weft_stack_enter(entry, argument)` on the stack below `stack_top`. It
/// inherits the caller's floating-point control words.
void prepare(saved_flow& fresh, std::byte* stack_top, void (*entry)(void*), void* argument) noexcept;

/// Where `parked` goes on; null where this is not known.
[[nodiscard]] const void* resume_address(const saved_flow& parked) noexcept;

/// Runs `call(argument)` in such a way that unwinders take `parked`, which stays parked, for its caller. Only for flows
/// whose resume_address() is known.
void call_below(const saved_flow& parked, void (*call)(void*), void* argument) noexcept;

/// The stack pointer of the code that a signal interrupted; `signal_context` is the handler's third argument. Zero
/// where it is not known. Async-signal-safe.
[[nodiscard]] std::uintptr_t interrupted_stack_pointer(const void* signal_context) noexcept;

/// The address of the instruction that a signal interrupted, likewise.
[[nodiscard]] std::uintptr_t interrupted_instruction(const void* signal_context) noexcept;

}  // namespace weft::stack::machine
