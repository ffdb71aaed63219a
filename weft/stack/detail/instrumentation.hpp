#pragma once

// Which of the tools that must be told of every switch this program is built with.

#include <weft/base/detail/build_match.hpp>

namespace weft::stack {

#if defined(WEFT_ADDRESS_SANITIZER) || defined(WEFT_THREAD_SANITIZER)
inline constexpr bool instrumented = true;
#else
inline constexpr bool instrumented = false;
#endif

#ifdef NDEBUG
inline constexpr bool checked = false;
#else
inline constexpr bool checked = true;
#endif

}  // namespace weft::stack
