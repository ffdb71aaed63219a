#pragma once

#include <cstddef>

namespace weft::detail {

/// Whether the process has OS threads that are neither weft's own nor known to wait for a task: any of them may do
/// something yet. True where that cannot be told.
[[nodiscard]] bool other_threads_run();

/// The same where tasks are not tracked: `waiting` threads are known to wait for a task.
[[nodiscard]] bool other_threads_than(std::size_t waiting);

/// How many OS threads sleep until a task wakes them, without a deadline. May be old at once.
[[nodiscard]] std::size_t os_threads_asleep() noexcept;

}  // namespace weft::detail
