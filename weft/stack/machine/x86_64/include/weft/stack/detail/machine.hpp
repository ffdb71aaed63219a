#pragma once

#include <cstddef>
#include <cstdint>

// The switch for x86-64, System V calling convention.
//
// It is inline: a processor predicts where a `ret` goes from the calls that it has seen, so a switch that is called and
// then returns on another stack is mispredicted, and so is each return after it. Inlined, a switch is one indirect
// jump, which is predicted from its history, and calls and returns stay in pairs on each stack. And the compiler saves
// those registers, and no others, that it needs afterwards.

namespace weft::stack::machine {

/// Whether flows can be unwound, and a signal handler knows whose stack it interrupted.
inline constexpr bool transparent = true;

/// What a flow is while it does not run. Everything else is on its stack.
struct saved_flow {
  void* stack_pointer = nullptr;
  void* resume_address = nullptr;
  void* frame_pointer = nullptr;  // rbp; the compiler cannot be told that it is overwritten
  std::uint32_t mxcsr = 0;
  std::uint16_t x87_control_word = 0;
};

// The assembly below names them by number.
static_assert(offsetof(saved_flow, stack_pointer) == 0 && offsetof(saved_flow, resume_address) == 8 &&
              offsetof(saved_flow, frame_pointer) == 16 && offsetof(saved_flow, mxcsr) == 24 &&
              offsetof(saved_flow, x87_control_word) == 28);

/// Where the calling function's stack ends, about. Unlike __builtin_frame_address() it costs the function no register;
/// volatile, so that a coroutine does not keep one of an OS thread where it ran before.
[[nodiscard, gnu::always_inline]] inline std::uintptr_t stack_end() noexcept {
  std::uintptr_t end = 0;
  asm volatile("movq %%rsp, %0" : "=r"(end));
  return end;
}

/// The lowest byte of its stack that a parked flow needs: the 128 bytes below its stack pointer are its own.
[[nodiscard]] inline const std::byte* lowest_live(const saved_flow& parked) noexcept {
  return static_cast<const std::byte*>(parked.stack_pointer) - 128;
}

/// Saves the running flow into `from` and goes on with `to`; returns when something switches to `from`. Carries what a
/// call preserves: stack, registers, and the control words of MXCSR and x87; with MXCSR, its status bits.
[[gnu::always_inline]] inline void switch_flow(saved_flow& from, const saved_flow& to) noexcept {
  auto* save = &from;
  auto* load = &to;
  asm volatile(
      "stmxcsr 24(%[save])\n\t"
      "fnstcw  28(%[save])\n\t"
      "leaq    1f(%%rip), %%rax\n\t"
      "movq    %%rsp, 0(%[save])\n\t"
      "movq    %%rbp, 16(%[save])\n\t"
      "movq    %%rax, 8(%[save])\n\t"
      // Storing MXCSR takes four fifths of a switch. Loading it at once is hidden behind that; looking first whether
      // the two flows differ has to wait for the store, and costs a third more than to load. The x87 word is the other
      // way round, and is compared in the width in which it was stored, since no store is forwarded to a wider load.
      "movzwl  28(%[load]), %%ecx\n\t"
      "ldmxcsr 24(%[load])\n\t"
      "cmpw    %%cx, 28(%[save])\n\t"
      "jne     3f\n"
      "2:\n\t"
      // From here to 1 no unwinder can tell whose frame this is: let it stop.
      ".cfi_remember_state\n\t"
      ".cfi_undefined %%rip\n\t"
      "movq    16(%[load]), %%rbp\n\t"
      "movq    0(%[load]), %%rsp\n\t"
      "jmpq    *8(%[load])\n\t"
      ".cfi_restore_state\n"
      "3:\n\t"
      "fldcw   28(%[load])\n\t"
      "jmp     2b\n"
      "1:\n\t"
      "endbr64"
      : [save] "+D"(save), [load] "+S"(load)
      :
      : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",  //
        "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",                    //
        "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",              //
#ifdef __AVX512F__
        "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",  //
        "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31",  //
        "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7",                          //
#endif
        "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)",  //
        "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7",               //
        "cc", "memory");
}

/// Goes on with `to`, for good: nothing of the running flow is saved, which is most of what a switch costs.
[[noreturn, gnu::always_inline]] inline void end_flow(saved_flow&, const saved_flow& to) noexcept {
  asm volatile(
      "ldmxcsr 24(%[load])\n\t"
      "fldcw   28(%[load])\n\t"
      ".cfi_remember_state\n\t"
      ".cfi_undefined %%rip\n\t"
      "movq    16(%[load]), %%rbp\n\t"
      "movq    0(%[load]), %%rsp\n\t"
      "jmpq    *8(%[load])\n\t"
      ".cfi_restore_state"
      :
      : [load] "S"(&to)
      : "memory");
  __builtin_unreachable();
}

}  // namespace weft::stack::machine
