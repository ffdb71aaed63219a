#pragma once

// A program and the weft that it is linked with agree on what -fsanitize=address and -fsanitize=thread add, or the
// linker refuses: a switch of stacks that the sanitizer is not told of ends in false reports and crashes. Each file of
// the program names a variable that only a weft built in the same way has. Its name is what the linker then prints.

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ADDRESS_SANITIZER 1
#endif
#if __has_feature(thread_sanitizer)
#define WEFT_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__)
#define WEFT_THREAD_SANITIZER 1
#endif

namespace weft::build_match {

#if defined(WEFT_ADDRESS_SANITIZER)
extern const char the_program_is_built_with_fsanitize_address_and_weft_is_not;
#else
extern const char weft_is_built_with_fsanitize_address_and_the_program_is_not;
#endif
#if defined(WEFT_THREAD_SANITIZER)
extern const char the_program_is_built_with_fsanitize_thread_and_weft_is_not;
#else
extern const char weft_is_built_with_fsanitize_thread_and_the_program_is_not;
#endif

// weft's own files are compiled alike, but for those that a sanitizer must not touch. A program that has such files of
// its own defines this for them.
#if !defined(WEFT_SKIP_BUILD_MATCH)

// Kept though nobody reads them, also by linkers that drop what is not used.
#if __has_cpp_attribute(gnu::retain)
#define WEFT_KEPT_BY_LINKERS [[gnu::used, gnu::retain]]
#else
#define WEFT_KEPT_BY_LINKERS [[gnu::used]]
#endif

#if defined(WEFT_ADDRESS_SANITIZER)
WEFT_KEPT_BY_LINKERS inline const char* const address_sanitizer =
    &the_program_is_built_with_fsanitize_address_and_weft_is_not;
#else
WEFT_KEPT_BY_LINKERS inline const char* const address_sanitizer =
    &weft_is_built_with_fsanitize_address_and_the_program_is_not;
#endif
#if defined(WEFT_THREAD_SANITIZER)
WEFT_KEPT_BY_LINKERS inline const char* const thread_sanitizer =
    &the_program_is_built_with_fsanitize_thread_and_weft_is_not;
#else
WEFT_KEPT_BY_LINKERS inline const char* const thread_sanitizer =
    &weft_is_built_with_fsanitize_thread_and_the_program_is_not;
#endif

#undef WEFT_KEPT_BY_LINKERS
#endif

}  // namespace weft::build_match
