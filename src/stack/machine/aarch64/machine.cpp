#include <cstdint>

#include <ucontext.h>

#include <stack/bottom_frame.hpp>

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

std::uintptr_t interrupted_stack_pointer(const void* signal_context) noexcept {
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(signal_context)->uc_mcontext.sp);
}

}  // namespace weft::stack::machine
