#pragma once

#include <string>

namespace weft::detail {

class task_base;

/// `task "name", spawned at file:line`, with the number that dumps give it where tasks are tracked.
[[nodiscard]] std::string describe_task(const task_base& task);

}  // namespace weft::detail
