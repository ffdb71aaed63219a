// errno here is the system's: CMake says so.
#include <cerrno>

// Not inlined, and never taken for a function of nothing but its arguments, not even by an optimiser that sees the
// whole program: compilers would keep what it returns.
#if defined(__clang__)
#define WEFT_OPAQUE [[gnu::noinline]]
#else
#define WEFT_OPAQUE [[gnu::noipa]]
#endif

extern "C" int* weft_errno_location(void);

extern "C" WEFT_OPAQUE int* weft_errno_location() {
  asm volatile("" ::: "memory");
  return &errno;
}
