#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <weft/inspect/debugger.hpp>

#include "weft/inspect/detail/take_snapshot.hpp"
#include "weft/task/detail/task_registry.hpp"

namespace weft::detail {

std::vector<task_snapshot> snapshots_of(const sched::scheduler* which) {
  std::vector<task_snapshot> all;
  task_registry::global().for_each(
      [&](task_side_record& entry) {
        auto* home = entry.task().home();
        if (which && home != which && home != nullptr) return false;
        // Whoever joined it knows already; only its memory is yet to go.
        if (entry.task().has_ended()) return false;
        // Replaced when it can be held.
        all.push_back(identify(entry));
        return entry.wait_number() % 2 == 1;
      },
      [&](task_side_record& entry) { all.back() = take_snapshot_of_held(entry); });
  // An OS thread that does not wait has nothing to do with weft at that moment.
  std::erase_if(all, [](const task_snapshot& each) { return each.kind == "OS thread" && !each.waits; });
  std::ranges::sort(all, {}, &task_snapshot::number);
  return all;
}

std::string dump_of(bool are_tracked, const sched::scheduler* which) {
  if (!are_tracked) return "weft: tasks are not tracked: see tracking_options\n";
  std::string text;
  for (const auto& each : snapshots_of(which)) text += describe_with_trace(each) + '\n';
  return text;
}

}  // namespace weft::detail

// Kept where a linker drops what nobody calls.
extern "C" [[gnu::used, gnu::visibility("default")]] void weft_dump_tasks() noexcept {
  try {
    const auto text = weft::detail::dump_of(weft::detail::waits_are_tracked(), nullptr);
    std::fputs(text.c_str(), stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "weft: the tasks cannot be dumped: %s\n", error.what());
  }
  std::fflush(stderr);
}
