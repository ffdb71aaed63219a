#include "weft/sched/detail/thread_state.hpp"

#include "weft/base/detail/own_thread.hpp"

// Where the system does not say what a thread does: the watchdog still hands seats over, and cannot say why.

namespace weft::sched {

int become_carrier() noexcept {
  base::become_own_thread("weft-carrier");
  return 0;
}

void become_watchdog() noexcept { base::become_own_thread("weft-watchdog"); }

void run_after_seats(int) noexcept {}

std::chrono::nanoseconds cpu_time_of(std::thread::native_handle_type) noexcept { return {}; }

thread_activity activity_of(int) { return {}; }

std::optional<thread_usage> usage_of_this_thread() noexcept { return std::nullopt; }

void prepare_traces() {}

std::vector<const void*> trace_of(int, const runnable&) { return {}; }

std::string name_of_place(const void*) { return {}; }

}  // namespace weft::sched
