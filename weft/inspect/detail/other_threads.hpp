#pragma once

#include <cstddef>

namespace weft::detail {

/// Whether the process has OS threads that are neither weft's own nor known to wait for a task: any of them may do
/// something yet. True where that cannot be told.
[[nodiscard]] bool other_threads_run();

/// The same where tasks are not tracked: `waiting` threads are known to wait for a task.
[[nodiscard]] bool other_threads_than(std::size_t waiting);

}  // namespace weft::detail
