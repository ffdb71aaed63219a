#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include <weft/task/debugger.hpp>
#include <weft/task/runtime.hpp>

#include "task/deadlock_detector.hpp"
#include "task/take_snapshot.hpp"
#include "task/task_registry.hpp"

namespace weft {

namespace {

/// Of one runtime, and the OS threads; or, null, of all.
[[nodiscard]] std::vector<task_snapshot> tasks_of(const runtime* which) {
  std::vector<task_snapshot> all;
  detail::task_registry::global().for_each(
      [&](detail::task_extras& entry) {
        auto* home = entry.task().home_runtime();
        if (which && home != which && home != nullptr) return false;
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

[[nodiscard]] std::string dump_of(const std::vector<task_snapshot>& tasks) {
  std::string text;
  for (const auto& each : tasks) text += describe_with_trace(each) + '\n';
  return text;
}

constexpr std::string_view not_tracked = "weft: tasks are not tracked: see tracking_options\n";

}  // namespace

std::vector<task_snapshot> runtime::tasks() const { return tasks_of(this); }

std::string runtime::dump_tasks() const { return tracks_tasks_ ? dump_of(tasks()) : std::string{not_tracked}; }

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

// Kept where a linker drops what nobody calls.
extern "C" [[gnu::used, gnu::visibility("default")]] void weft_dump_tasks() noexcept {
  try {
    const auto text =
        weft::detail::waits_are_tracked() ? weft::dump_of(weft::tasks_of(nullptr)) : std::string{weft::not_tracked};
    std::fputs(text.c_str(), stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "weft: the tasks cannot be dumped: %s\n", error.what());
  }
  std::fflush(stderr);
}
