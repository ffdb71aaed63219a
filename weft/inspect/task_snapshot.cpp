#include <weft/inspect/task_snapshot.hpp>

#include <array>
#include <cstdio>
#include <span>

#include <weft/sched/watchdog.hpp>
#include <weft/task/detail/coroutine_task.hpp>
#include <weft/task/detail/virtual_thread.hpp>

#include "weft/inspect/detail/take_snapshot.hpp"

namespace weft {
namespace detail {
namespace {

[[nodiscard]] std::string_view word_for(task_kind kind) noexcept {
  switch (kind) {
    case task_kind::virtual_thread: return "virtual thread";
    case task_kind::coroutine: return "coroutine";
    case task_kind::os_thread: return "OS thread";
    case task_kind::proxy: break;  // never tracked
  }
  return "";
}

}  // namespace

task_snapshot identify(const task_side_record& entry) {
  const auto& task = entry.task();
  return {.number = entry.number(),
          .name = std::string{task.name()},
          .kind = word_for(task.kind()),
          .spawned_at = task.site(),
          .waits_for = {},
          .trace = {},
          .awaits = {}};
}

task_snapshot take_snapshot_of_held(const task_side_record& entry) {
  auto made = identify(entry);
  made.waits = true;
  for (const auto& each : entry.describe().cases) made.waits_for.push_back({each.kind, each.what, each.object});
  made.waited = std::max(duration::zero(), duration{now() - entry.waits_since()});
  const auto& task = entry.task();
  if (task.kind() == task_kind::virtual_thread) {
    const auto& thread = static_cast<const virtual_thread&>(task);
    std::array<void*, 64> addresses;
    const auto count = thread.backtrace(addresses.data(), addresses.size());
    made.trace.assign(addresses.begin(), addresses.begin() + static_cast<std::ptrdiff_t>(count));
  } else if (task.kind() == task_kind::coroutine) {
    const auto* frame = static_cast<const coroutine_state&>(task).innermost();
    for (; frame; frame = frame->continuation.frame()) made.awaits.push_back(frame->suspended_at);
  }
  return made;
}

}  // namespace detail

namespace {

[[nodiscard]] std::string place(const std::source_location& where) {
  return std::string{where.file_name()} + ':' + std::to_string(where.line());
}

[[nodiscard]] std::string hexadecimal(const void* address) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%p", address);
  return text.data();
}

[[nodiscard]] std::string describe_cases(const std::vector<awaited>& cases) {
  std::string text;
  for (const auto& each : cases) {
    if (!text.empty()) text += " or ";
    text += each.what.empty() ? std::string{to_string(each.kind)} : "the " + std::string{each.what};
    if (each.object) text += ' ' + hexadecimal(each.object);
  }
  return text.empty() ? "something unknown" : text;
}

}  // namespace

std::string describe(const task_snapshot& task) {
  auto text = "task " + std::to_string(task.number) + (task.name.empty() ? "" : " \"" + task.name + '"') + ", a " +
              std::string{task.kind};
  if (task.kind != "OS thread") text += " spawned at " + place(task.spawned_at);
  if (!task.waits) return text + ", runs or is ready to";
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(task.waited).count();
  return text + ", has waited " + std::to_string(milliseconds) + " ms for " + describe_cases(task.waits_for);
}

std::string describe_with_trace(const task_snapshot& task) {
  auto text = describe(task);
  auto lines = sched::describe_trace(std::span{task.trace});
  for (const auto& each : task.awaits) {
    lines += "  in " + std::string{each.function_name()} + " at " + place(each) + '\n';
  }
  if (lines.empty()) return text;
  lines.pop_back();
  return text + '\n' + lines;
}

}  // namespace weft
