#pragma once

#include <weft/stack/detail/context.hpp>
#include <weft/stack/detail/stack_pool.hpp>

// What AddressSanitizer, ThreadSanitizer and Valgrind must be told about stacks and switches, so that the code that
// switches stays readable. In a build without them every function here is empty.

#if defined(WEFT_ADDRESS_SANITIZER)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(WEFT_THREAD_SANITIZER)
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define WEFT_VALGRIND 1
#endif

// ThreadSanitizer notes each function's entry on the running flow's shadow stack and its exit likewise. A function that
// switches enters on one and leaves on another, so it must not be instrumented, nor anything inlined into it.
#if defined(WEFT_THREAD_SANITIZER) && defined(__clang__)
#define WEFT_NOT_INSTRUMENTED __attribute__((disable_sanitizer_instrumentation))
#elif defined(WEFT_THREAD_SANITIZER)
#define WEFT_NOT_INSTRUMENTED __attribute__((no_sanitize("thread")))
#else
#define WEFT_NOT_INSTRUMENTED
#endif

namespace weft::stack {

struct sanitizer {
  static constexpr std::size_t minimum_stack_bytes = (instrumented ? 64 : 16) * std::size_t{1024};

  /// `own` is the calling OS thread's own flow.
  WEFT_NOT_INSTRUMENTED static void bind([[maybe_unused]] context& own) noexcept {
#if defined(WEFT_ADDRESS_SANITIZER)
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
      void* bottom = nullptr;
      pthread_attr_getstack(&attributes, &bottom, &own.stack_bytes_);
      own.stack_bottom_ = static_cast<const std::byte*>(bottom);
      pthread_attr_destroy(&attributes);
    }
#endif
#if defined(WEFT_THREAD_SANITIZER)
    own.fiber_ = __tsan_get_current_fiber();
#endif
  }

  /// `fresh` will run on [bottom, top), which is part of `stack`.
  WEFT_NOT_INSTRUMENTED static void prepare([[maybe_unused]] context& fresh, [[maybe_unused]] std::byte* bottom,
                                            [[maybe_unused]] std::byte* top, [[maybe_unused]] slot& stack) noexcept {
#if defined(WEFT_ADDRESS_SANITIZER)
    fresh.fake_stack_ = nullptr;
    fresh.stack_bottom_ = bottom;
    fresh.stack_bytes_ = static_cast<std::size_t>(top - bottom);
#endif
#if defined(WEFT_THREAD_SANITIZER)
    // A fiber keeps the shadow frames of the functions that its last flow never returned from, so one that ran is
    // replaced. One that did not run is taken again.
    if (stack.fiber_ran_) destroy_fiber(stack);
    if (stack.fiber_ == nullptr) stack.fiber_ = __tsan_create_fiber(0);
    fresh.fiber_ = stack.fiber_;
#endif
  }

  enum class exit_kind { to_return, for_good };

  /// The last thing before the stack pointer moves from the one to the other.
  WEFT_NOT_INSTRUMENTED static void leave([[maybe_unused]] context& from, [[maybe_unused]] context& to,
                                          [[maybe_unused]] exit_kind how) noexcept {
#if defined(WEFT_ADDRESS_SANITIZER)
    __sanitizer_start_switch_fiber(how == exit_kind::to_return ? &from.fake_stack_ : nullptr, to.stack_bottom_,
                                   to.stack_bytes_);
#endif
#if defined(WEFT_THREAD_SANITIZER)
    if (to.slot_ != nullptr) to.slot_->fiber_ran_ = true;
    __tsan_switch_to_fiber(to.fiber_, 0);
#endif
  }

  /// The first thing after the stack pointer has moved back to `self`.
  WEFT_NOT_INSTRUMENTED static void arrive([[maybe_unused]] context& self) noexcept {
#if defined(WEFT_ADDRESS_SANITIZER)
    __sanitizer_finish_switch_fiber(self.fake_stack_, nullptr, nullptr);
#endif
  }

  /// The first thing on a stack on which a flow begins.
  WEFT_NOT_INSTRUMENTED static void begin() noexcept {
#if defined(WEFT_ADDRESS_SANITIZER)
    __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  }

  static void carved([[maybe_unused]] slot& stack) noexcept {
#if defined(WEFT_VALGRIND)
    stack.registration_ = VALGRIND_STACK_REGISTER(stack.bottom(), stack.top());
#endif
  }

  /// Nothing runs on `stack` any more; what its frames left poisoned is its next user's.
  static void released([[maybe_unused]] slot& stack) noexcept {
#if defined(WEFT_ADDRESS_SANITIZER)
    __asan_unpoison_memory_region(stack.bottom(), stack.bytes());
#endif
  }

  static void destroyed([[maybe_unused]] slot& stack) noexcept {
#if defined(WEFT_THREAD_SANITIZER)
    if (stack.fiber_ != nullptr) destroy_fiber(stack);
#endif
#if defined(WEFT_VALGRIND)
    VALGRIND_STACK_DEREGISTER(stack.registration_);
#endif
  }

 private:
#if defined(WEFT_THREAD_SANITIZER)
  /// The runtime sets a fiber up when it becomes current for the first time and takes it down regardless, so one that
  /// never ran is made current for a moment.
  WEFT_NOT_INSTRUMENTED static void destroy_fiber(slot& stack) noexcept {
    if (!stack.fiber_ran_) {
      void* self = __tsan_get_current_fiber();
      __tsan_switch_to_fiber(stack.fiber_, 0);
      __tsan_switch_to_fiber(self, 0);
    }
    __tsan_destroy_fiber(stack.fiber_);
    stack.fiber_ = nullptr;
    stack.fiber_ran_ = false;
  }
#endif
};

}  // namespace weft::stack
