#include <weft/stack/context.hpp>

#include <cxxabi.h>

#include <weft/base/check.hpp>

#include <stack/machine.hpp>
#include <stack/sanitizer.hpp>

namespace weft::stack {
namespace {

/// The calling OS thread's exception state. Never inlined, and never merged with another call: compilers believe that
/// the address cannot change within a function.
[[gnu::noinline]] void* exceptions_of_this_thread() noexcept {
  asm volatile("");
  return abi::__cxa_get_globals();
}

}  // namespace

void context::bind() noexcept {
  running_exceptions_ = static_cast<exception_state*>(exceptions_of_this_thread());
  sanitizer::bind(*this);
}

void context::prepare(std::byte* stack_bottom, std::byte* stack_top, slot* owner, void (*entry)(void*),
                      void* argument) noexcept {
  WEFT_CHECK(owner != nullptr, "a flow runs on a stack that a stack_pool gave out: pass its slot");
  exceptions_ = {};
  sanitizer::prepare(*this, stack_bottom, stack_top, *owner);
  stack_pointer_ = machine::prepare(stack_top, entry, argument);
}

// A flow stays in one OS thread between two switches, and the thread that runs `from` is the one that will run `to`.
// So the address of the thread's exception state is handed from flow to flow, beginning with the thread's own flow,
// which looks it up once. No switch needs to find its thread.
WEFT_NOT_INSTRUMENTED inline void context::pass_thread(context& from, context& to) noexcept {
  if (from.running_exceptions_ == nullptr) [[unlikely]] from.bind();
  exception_state* thread = from.running_exceptions_;
  WEFT_ASSERT(thread == exceptions_of_this_thread());
  from.exceptions_ = *thread;
  *thread = to.exceptions_;
  to.running_exceptions_ = thread;
}

WEFT_NOT_INSTRUMENTED void context::switch_to(context& from, context& to) noexcept {
  pass_thread(from, to);
  sanitizer::leave(from, to, sanitizer::departure::to_return);
  weft_stack_switch(&from.stack_pointer_, to.stack_pointer_);
  sanitizer::arrive(from);
}

WEFT_NOT_INSTRUMENTED void context::exit_to(context& from, context& to) noexcept {
  pass_thread(from, to);
  sanitizer::leave(from, to, sanitizer::departure::for_good);
  weft_stack_switch(&from.stack_pointer_, to.stack_pointer_);
  __builtin_unreachable();
}

}  // namespace weft::stack

extern "C" WEFT_NOT_INSTRUMENTED void weft_stack_enter(void (*entry)(void*), void* argument) noexcept {
  weft::stack::sanitizer::begin();
  entry(argument);
  WEFT_CHECK(false, "the entry function of a flow returned: end it with context::exit_to()");
  __builtin_unreachable();
}
