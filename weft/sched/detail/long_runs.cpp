#include "weft/sched/detail/long_runs.hpp"

#include <cstddef>
#include <string>

#include "weft/sched/detail/carrier_pool.hpp"
#include "weft/sched/detail/thread_state.hpp"

namespace weft::sched {
namespace {

constexpr std::chrono::seconds between_lines{1};

}  // namespace

bool long_runs::is_silent(std::chrono::steady_clock::time_point present) const noexcept {
  if (!options_.warn || options_.warn_after.value() == duration::max()) return true;
  return reported_ != std::chrono::steady_clock::time_point{} && present - reported_ < between_lines;
}

void long_runs::inspect(carrier_pool& carriers, std::chrono::steady_clock::time_point present) {
  if (is_silent(present)) return;  // what goes on until then is found then
  const auto runs = carriers.find_long_runs(present - options_.warn_after.value());
  std::size_t to_blame = 0;
  stall first;
  for (const auto& run : runs) {
    auto activity = activity_of(run.thread_id);
    stall event;
    event.spawned_at = run.spawned_at;
    event.task_name = run.name;
    event.reason = activity.reason;
    event.system_call = std::move(activity.system_call);
    event.lock = activity.lock;
    event.held = present - run.began;
    event.on_cpu = run.on_cpu;
    event.handed_over = true;
    // The system ran others for most of the time: not yet.
    if (event.reason == stall_reason::computing && event.on_cpu < options_.warn_after.value() / 2) continue;
    carriers.set_reported(run);
    if (to_blame++ == 0) first = std::move(event);
  }
  if (to_blame != 0) report(first, to_blame - 1, present);
}

void long_runs::report(const stall& event, std::size_t others, std::chrono::steady_clock::time_point present) {
  auto line = describe(event);
  if (others != 0) line += ". " + std::to_string(others) + " other tasks run for as long";
  reported_ = present;
  options_.warn(line);
}

}  // namespace weft::sched
