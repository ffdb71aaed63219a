#pragma once

#include <string>

namespace weft::detail {

class task_state;

/// `task "name", spawned at file:line`, with the number that dumps give it where tasks are tracked.
[[nodiscard]] std::string describe_task(const task_state& task);

}  // namespace weft::detail
