#include <cstdint>
#include <ucontext.h>

#include <stack/machine.hpp>

namespace weft::stack::machine {
namespace {

/// The frame that weft_stack_switch() saves and loads; x86_64.S has the same picture.
struct saved_frame {
  std::uint32_t mxcsr;
  std::uint16_t x87_control_word;
  std::uint16_t unused;
  std::uintptr_t r15, r14, r13, r12, rbx, rbp;
  std::uintptr_t resume_address;
};
static_assert(sizeof(saved_frame) == 64);

}  // namespace

void* prepare(std::byte* stack_top, void (*entry)(void*), void* argument) noexcept {
  auto* frame = reinterpret_cast<saved_frame*>(reinterpret_cast<std::uintptr_t>(stack_top) & ~std::uintptr_t{15}) - 1;
  *frame = {};
  asm volatile("stmxcsr %0" : "=m"(frame->mxcsr));
  asm volatile("fnstcw %0" : "=m"(frame->x87_control_word));
  frame->rbx = reinterpret_cast<std::uintptr_t>(entry);
  frame->r12 = reinterpret_cast<std::uintptr_t>(argument);
  frame->resume_address = reinterpret_cast<std::uintptr_t>(&weft_stack_bottom_frame);
  return frame;
}

std::uintptr_t interrupted_stack_pointer(const void* signal_context) noexcept {
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(signal_context)->uc_mcontext.gregs[REG_RSP]);
}

}  // namespace weft::stack::machine
