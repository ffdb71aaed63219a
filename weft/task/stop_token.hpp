#pragma once

#include <stop_token>

namespace weft {

/// A token whose stop is requested when the calling task is asked to cancel, whatever shields it: for interfaces of
/// others that take one. The first call in a task allocates. On a plain OS thread, which nobody cancels, it never is.
/// Callbacks run on the thread that cancels: they must not wait.
/// Lifetime: the token may outlive the task.
/// Thread: inside a task.
[[nodiscard]] std::stop_token this_task_stop_token();

}  // namespace weft
