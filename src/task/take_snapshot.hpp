#pragma once

#include <weft/task/task_extras.hpp>
#include <weft/task/task_snapshot.hpp>

namespace weft::detail {

/// Who it is, and nothing of what it does. Where the task cannot end meanwhile.
[[nodiscard]] task_snapshot identify(const task_extras& entry);

/// Whoever holds the task in a wait that parked.
[[nodiscard]] task_snapshot take_snapshot_of_held(const task_extras& entry);

}  // namespace weft::detail
