#include <weft/stack/detail/context.hpp>

#include <utility>

#include <cxxabi.h>

#include <weft/base/check.hpp>

#include "weft/stack/detail/frames.hpp"
#include "weft/stack/detail/sanitizer.hpp"

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
  // No thread's, so that the first switch hands the real one on; and not null, which means an OS thread's own flow.
  static exception_state none;
  running_exceptions_ = &none;
  slot_ = owner;
  sanitizer::prepare(*this, stack_bottom, stack_top, *owner);
  machine::prepare(saved_, stack_top, entry, argument);
}

void context::hand_thread_on(context& from, context& to) noexcept {
  if (from.running_exceptions_ == nullptr) from.bind();
  to.running_exceptions_ = from.running_exceptions_;
}

void context::exchange_exceptions(exception_state& thread, context& from, context& to) noexcept {
  from.exceptions_ = std::exchange(thread, std::exchange(to.exceptions_, exception_state{}));
}

void context::check_thread() const noexcept {
  WEFT_CHECK(
      running_exceptions_ == nullptr || running_exceptions_ == exceptions_of_this_thread(),
      "a flow was switched away from in an OS thread that it does not run in: an OS thread's own context belongs "
      "to the thread that first used it");
}

WEFT_NOT_INSTRUMENTED void context::switch_instrumented(context& from, context& to) noexcept {
  pass_thread(from, to);
  sanitizer::leave(from, to, sanitizer::exit_kind::to_return);
  machine::switch_flow(from.saved_, to.saved_);
  sanitizer::arrive(from);
}

WEFT_NOT_INSTRUMENTED void context::exit_to(context& from, context& to) noexcept {
  pass_thread(from, to);
  sanitizer::leave(from, to, sanitizer::exit_kind::for_good);
  machine::end_flow(from.saved_, to.saved_);
}

}  // namespace weft::stack

extern "C" WEFT_NOT_INSTRUMENTED void weft_stack_enter(void (*entry)(void*), void* argument) noexcept {
  weft::stack::sanitizer::begin();
  entry(argument);
  WEFT_CHECK(false, "the entry function of a flow returned: end it with context::exit_to()");
  __builtin_unreachable();
}
