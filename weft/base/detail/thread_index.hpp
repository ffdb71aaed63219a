#pragma once

#include <cstddef>

namespace weft::base {

/// A number that no other running OS thread has, the smallest that is free when the thread first asks. For tables with
/// an entry a thread, which then needs no atomic read-modify-write. The next thread that gets a number comes after
/// everything that the one before did with it.
/// Never inlined: a task may wake on another OS thread. Not to be kept across a park.
/// Thread: any.
[[nodiscard]] std::size_t thread_index() noexcept;

}  // namespace weft::base
