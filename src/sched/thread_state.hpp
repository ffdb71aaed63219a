#pragma once

#include <chrono>
#include <string>
#include <thread>

#include <weft/sched/watch.hpp>

namespace weft::sched {

/// Names the calling OS thread for debuggers and gives it a carrier's scheduling. Returns its number to the system.
[[nodiscard]] int become_carrier() noexcept;

/// The same for the watch's thread.
void become_watch() noexcept;

/// Makes a thread of this process less urgent than the seats' carriers. A failure leaves it as it was: slower for the
/// seats, not wrong.
void run_after_seats(int thread_id) noexcept;

/// What a thread, not joined yet, has used of a core so far; 0 where the system does not say.
[[nodiscard]] std::chrono::nanoseconds cpu_time_of(std::thread::native_handle_type thread) noexcept;

/// What a thread of this process is doing at this moment.
struct thread_activity {
  stall_reason reason = stall_reason::unknown;  ///< `computing` for whatever can run, whether it does or not
  std::string system_call = {};
};
[[nodiscard]] thread_activity activity_of(int thread_id);

}  // namespace weft::sched
