#pragma once

#include <cstddef>
#include <cstdint>

// What differs from processor to processor. CMake picks the files of machine/ that implement it.

extern "C" {

/// Saves the running flow on its own stack, its stack pointer into `*save`, and goes on with the flow whose stack
/// pointer is `load`. Carries the registers that a call preserves and the floating-point control words.
void weft_stack_switch(void** save, void* load) noexcept;

/// Where unwinding a flow ends. Not to be called.
void weft_stack_bottom_frame() noexcept;

/// What a new flow runs first; context.cpp has it.
[[noreturn]] void weft_stack_enter(void (*entry)(void*), void* argument) noexcept;

}  // extern "C"

namespace weft::stack::machine {

/// Builds below `stack_top` what weft_stack_switch() needs to begin `weft_stack_enter(entry, argument)`. Returns the
/// stack pointer to load. The new flow inherits the caller's floating-point control words.
[[nodiscard]] void* prepare(std::byte* stack_top, void (*entry)(void*), void* argument) noexcept;

/// The stack pointer of the code that a signal interrupted; `signal_context` is the handler's third argument. Zero
/// where it is not known. Async-signal-safe.
[[nodiscard]] std::uintptr_t interrupted_stack_pointer(const void* signal_context) noexcept;

}  // namespace weft::stack::machine
