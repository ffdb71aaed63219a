#pragma once

// Pointers of the calling OS thread's that code on a virtual thread's stack may read and write in line. A compiler may
// keep the address of a thread_local across a call, in which a task may have moved to another OS thread; so these are
// read and written by instructions that it does not see through, and that find the place anew each time. They cost one
// load, or store, where a call that is never inlined and a thread_local cost ten times as much.

/// Declares `slot`, a constinit thread_local pointer to `type`, null at first, that the next macros may name.
#define WEFT_DECLARE_THREAD_SLOT(type, slot) \
  [[gnu::tls_model("initial-exec")]] extern constinit thread_local type* slot asm(#slot)

/// Before the definition of a slot: optimisers that see the whole program do not see who names it.
#if defined(__clang__)
#define WEFT_THREAD_SLOT [[gnu::used]]
#else
#define WEFT_THREAD_SLOT [[gnu::used, gnu::externally_visible]]
#endif

#if defined(__x86_64__)

/// Reads `slot`, and writes it: on whatever OS thread the caller is at that moment.
#define WEFT_LOAD_THREAD_SLOT(into, slot) \
  asm volatile("movq " #slot "@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(into) : : "memory")
#define WEFT_STORE_THREAD_SLOT(slot, value)                                 \
  do {                                                                      \
    void* weft_offset;                                                      \
    asm volatile("movq " #slot "@gottpoff(%%rip), %0\n\tmovq %1, %%fs:(%0)" \
                 : "=&r"(weft_offset)                                       \
                 : "r"(value)                                               \
                 : "memory");                                               \
  } while (false)

#elif defined(__aarch64__)

#define WEFT_LOAD_THREAD_SLOT(into, slot)                                                                  \
  do {                                                                                                     \
    void* weft_offset;                                                                                     \
    asm volatile("mrs %0, tpidr_el0\n\tadrp %1, :gottprel:" #slot "\n\tldr %1, [%1, :gottprel_lo12:" #slot \
                 "]\n\tldr %0, [%0, %1]"                                                                   \
                 : "=&r"(into), "=&r"(weft_offset)                                                         \
                 :                                                                                         \
                 : "memory");                                                                              \
  } while (false)
#define WEFT_STORE_THREAD_SLOT(slot, value)                                                                \
  do {                                                                                                     \
    void *weft_base, *weft_offset;                                                                         \
    asm volatile("mrs %0, tpidr_el0\n\tadrp %1, :gottprel:" #slot "\n\tldr %1, [%1, :gottprel_lo12:" #slot \
                 "]\n\tstr %2, [%0, %1]"                                                                   \
                 : "=&r"(weft_base), "=&r"(weft_offset)                                                    \
                 : "r"(value)                                                                              \
                 : "memory");                                                                              \
  } while (false)

#else

#define WEFT_LOAD_THREAD_SLOT(into, slot)   \
  (into) = []() __attribute__((noinline)) { \
    asm volatile("" ::: "memory");          \
    return slot;                            \
  }()
#define WEFT_STORE_THREAD_SLOT(slot, value)        \
  [](auto* weft_value) __attribute__((noinline)) { \
    slot = weft_value;                             \
    asm volatile("" ::: "memory");                 \
  }(value)

#endif
