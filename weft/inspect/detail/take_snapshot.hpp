#pragma once

#include <string>
#include <vector>

#include <weft/inspect/task_snapshot.hpp>
#include <weft/sched/detail/scheduler.hpp>
#include <weft/task/detail/task_side_record.hpp>

namespace weft::detail {

/// Who it is, and nothing of what it does. Where the task cannot end meanwhile.
[[nodiscard]] task_snapshot identify(const task_side_record& entry);

/// Whoever holds the task in a wait that parked.
[[nodiscard]] task_snapshot take_snapshot_of_held(const task_side_record& entry);

/// What the tracked tasks of one runtime were doing, with the OS threads; or, null, of all.
[[nodiscard]] std::vector<task_snapshot> snapshots_of(const sched::scheduler* which);

/// The same as text; or a line that says that they are not tracked.
[[nodiscard]] std::string dump_of(bool are_tracked, const sched::scheduler* which);

}  // namespace weft::detail
