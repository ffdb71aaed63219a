#include <algorithm>
#include <string>

#include <weft/task/runtime.hpp>

#include "task/deadlock_detector.hpp"
#include "task/take_snapshot.hpp"
#include "task/task_registry.hpp"

namespace weft {

std::vector<task_snapshot> runtime::tasks() const {
  std::vector<task_snapshot> all;
  detail::task_registry::global().for_each(
      [&](detail::task_extras& entry) {
        auto* home = entry.task().home_runtime();
        if (home != this && home != nullptr) return false;
        // Whoever joined it knows already; only its memory is yet to go.
        if (entry.task().has_ended()) return false;
        // Replaced when it can be held.
        all.push_back(detail::identify(entry));
        return entry.wait_number() % 2 == 1;
      },
      [&](detail::task_extras& entry) { all.back() = detail::take_snapshot_of_held(entry); });
  // An OS thread that does not wait has nothing to do with weft at that moment.
  std::erase_if(all, [](const task_snapshot& each) { return each.kind == "OS thread" && !each.waits; });
  std::ranges::sort(all, {}, &task_snapshot::number);
  return all;
}

std::string runtime::dump_tasks() const {
  if (!tracks_tasks_) return "weft: tasks are not tracked: see tracking_options\n";
  std::string text;
  for (const auto& each : tasks()) text += describe_with_trace(each) + '\n';
  return text;
}

std::vector<deadlock> runtime::find_deadlocks() {
  return detector_ ? detector_->find_cycles(detail::looks_at::every_wait) : std::vector<deadlock>{};
}

void runtime::report_leaks() {
  if (leaks_ == leak_report::no) return;
  for (const auto& each : tasks()) {
    if (each.waits && each.kind != "OS thread") report_("at the end of run(): " + describe(each));
  }
}

}  // namespace weft
