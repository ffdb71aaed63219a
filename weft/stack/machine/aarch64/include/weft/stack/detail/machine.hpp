#pragma once

#include <cstddef>
#include <cstdint>

// The switch for 64-bit ARM, the standard procedure call. Why it is inline: see the one for x86-64.

namespace weft::stack::machine {

/// Whether flows can be unwound, and a signal handler knows whose stack it interrupted.
inline constexpr bool transparent = true;

/// What a flow is while it does not run. Everything else is on its stack.
struct saved_flow {
  void* stack_pointer = nullptr;
  void* resume_address = nullptr;
  void* frame_pointer = nullptr;  // x29; the compiler cannot be told that it is overwritten
  std::uint64_t fpcr = 0;
};

// The assembly below names them by number.
static_assert(offsetof(saved_flow, stack_pointer) == 0 && offsetof(saved_flow, resume_address) == 8 &&
              offsetof(saved_flow, frame_pointer) == 16 && offsetof(saved_flow, fpcr) == 24);

/// Where the calling function's stack ends, about. Unlike __builtin_frame_address() it costs the function no register;
/// volatile, so that a coroutine does not keep one of an OS thread where it ran before.
[[nodiscard, gnu::always_inline]] inline std::uintptr_t stack_end() noexcept {
  std::uintptr_t end = 0;
  asm volatile("mov %0, sp" : "=r"(end));
  return end;
}

/// The lowest byte of its stack that a parked flow needs.
[[nodiscard]] inline const std::byte* lowest_live(const saved_flow& parked) noexcept {
  return static_cast<const std::byte*>(parked.stack_pointer);
}

/// Saves the running flow into `from` and goes on with `to`; returns when something switches to `from`. Carries what a
/// call preserves: stack, registers, and the floating-point control register.
[[gnu::always_inline]] inline void switch_flow(saved_flow& from, const saved_flow& to) noexcept {
  register auto* save asm("x0") = &from;
  register auto* load asm("x1") = &to;
  asm volatile(
      "mov     x9, sp\n\t"
      "adr     x10, 1f\n\t"
      "mrs     x11, fpcr\n\t"
      "stp     x9, x10, [%[save], #0]\n\t"
      "stp     x29, x11, [%[save], #16]\n\t"
      "ldp     x12, x13, [%[load], #0]\n\t"
      "ldp     x14, x15, [%[load], #16]\n\t"
      // Writing the control register is slow: only where the two flows differ.
      "cmp     x11, x15\n\t"
      "b.eq    2f\n\t"
      "msr     fpcr, x15\n"
      "2:\n\t"
      // From here to 1 no unwinder can tell whose frame this is: let it stop.
      ".cfi_remember_state\n\t"
      ".cfi_undefined x30\n\t"
      "mov     x29, x14\n\t"
      "mov     sp, x12\n\t"
      "br      x13\n\t"
      ".cfi_restore_state\n\t"
      "nop\n"  // not run; unwinders look up what lies before the address to go on at
      "1:\n\t"
      "hint    #36"  // bti j: a branch through a register may land here
      : [save] "+r"(save), [load] "+r"(load)
      :
      : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18",
        "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30",                              //
        "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",     //
        "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",  //
        "v31",                                                                                                    //
#ifdef __ARM_FEATURE_SVE
        "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15",  //
#endif
        "cc", "memory");
}

/// Goes on with `to`, for good: nothing of the running flow is saved.
[[noreturn, gnu::always_inline]] inline void end_flow(saved_flow&, const saved_flow& to) noexcept {
  register auto* load asm("x1") = &to;
  asm volatile(
      "ldp     x12, x13, [%[load], #0]\n\t"
      "ldp     x14, x15, [%[load], #16]\n\t"
      "msr     fpcr, x15\n\t"
      ".cfi_remember_state\n\t"
      ".cfi_undefined x30\n\t"
      "mov     x29, x14\n\t"
      "mov     sp, x12\n\t"
      "br      x13\n\t"
      ".cfi_restore_state"
      :
      : [load] "r"(load)
      : "x12", "x13", "x14", "x15", "memory");
  __builtin_unreachable();
}

}  // namespace weft::stack::machine
