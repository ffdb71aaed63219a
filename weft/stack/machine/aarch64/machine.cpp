#include <cstdint>

#include <ucontext.h>

#include "weft/stack/detail/frames.hpp"

extern "C" void weft_stack_call_below(void (*call)(void*), void* argument,
                                      const weft::stack::machine::saved_flow* parked) noexcept;

namespace weft::stack::machine {

void prepare(saved_flow& fresh, std::byte* stack_top, void (*entry)(void*), void* argument) noexcept {
  auto* words = reinterpret_cast<void**>(reinterpret_cast<std::uintptr_t>(stack_top) & ~std::uintptr_t{15});
  *--words = argument;
  *--words = reinterpret_cast<void*>(entry);
  fresh.stack_pointer = words;
  fresh.resume_address = reinterpret_cast<void*>(&weft_stack_bottom_frame);
  fresh.frame_pointer = nullptr;
  asm volatile("mrs %0, fpcr" : "=r"(fresh.fpcr));
}

const void* resume_address(const saved_flow& parked) noexcept { return parked.resume_address; }

void call_below(const saved_flow& parked, void (*call)(void*), void* argument) noexcept {
  weft_stack_call_below(call, argument, &parked);
}

std::uintptr_t interrupted_stack_pointer(const void* signal_context) noexcept {
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(signal_context)->uc_mcontext.sp);
}

std::uintptr_t interrupted_instruction(const void* signal_context) noexcept {
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(signal_context)->uc_mcontext.pc);
}

}  // namespace weft::stack::machine
