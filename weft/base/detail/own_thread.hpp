#pragma once

#include <cstddef>

namespace weft::base {

/// The calling OS thread is one of weft's own until it ends. `name` is for debuggers, at most 15 characters.
/// A name alone would not tell: a thread inherits that of the thread which starts it.
void become_own_thread(const char* name) noexcept;

/// How many of the process' threads are weft's own. A thread that is about to end counts no more.
/// Thread: any.
[[nodiscard]] std::size_t own_threads() noexcept;

}  // namespace weft::base
