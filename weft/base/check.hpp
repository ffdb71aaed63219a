#pragma once

#include <source_location>
#include <string_view>

#include <weft/base/detail/build_match.hpp>

namespace weft::detail {

/// Writes to standard error who is calling, the task and where it was spawned, and from where. Set by the layer that
/// knows tasks.
using caller_report = void (*)();
void set_caller_report(caller_report report) noexcept;

/// The object that a message is about.
struct checked_object {
  std::string_view kind = {};  ///< "mutex", "channel" …; empty when it is about none
  const void* address = nullptr;
};

/// Writes what was misused, where, and what to do about it to standard error, and by whom, then aborts.
[[noreturn]] void check_failed(std::string_view condition, std::string_view advice, std::source_location where,
                               checked_object about = {});

}  // namespace weft::detail

/// Ends the program when a caller misuses weft. Always on. `advice` says what to do instead. What was misused may
/// follow, as "mutex", this: dumps and reports name it by that address as well.
#define WEFT_CHECK(condition, advice, ...)                        \
  ((condition) ? void()                                           \
               : ::weft::detail::check_failed(#condition, advice, \
                                              std::source_location::current() __VA_OPT__(, {__VA_ARGS__})))

/// An invariant of weft's own; checked in debug builds.
#ifdef NDEBUG
#define WEFT_ASSERT(condition) static_cast<void>(0)
#else
#define WEFT_ASSERT(condition) WEFT_CHECK(condition, "this is a defect in weft: please report it")
#endif
