#pragma once
#pragma GCC system_header

/* What <errno.h> means in a program that uses weft, by the order of its include folders, in C as well as in C++. The
   system's errno is a call that compilers make once a function, since it always gives the same address on one thread.
   A task may wake on another thread, so here errno is a call that they make each time. */

#include_next <errno.h>

#if !defined(WEFT_ERRNO_OF_THE_SYSTEM)

#if !defined(WEFT_ERRNO_LOCATION_DECLARED)
#define WEFT_ERRNO_LOCATION_DECLARED
#if defined(__cplusplus)
extern "C" {
#endif
/* The errno of the OS thread that calls it. */
__attribute__((__nothrow__)) int* weft_errno_location(void);
#if defined(__cplusplus)
}
#endif
#endif

#undef errno
#define errno (*weft_errno_location())

#endif
