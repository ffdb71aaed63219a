#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <weft/sched/watchdog.hpp>

namespace weft::sched {

class runnable;

/// Names the calling OS thread for debuggers and gives it a carrier's scheduling. Returns its number to the system.
[[nodiscard]] int become_carrier() noexcept;

/// The same for the watchdog's thread.
void become_watchdog() noexcept;

/// Makes a thread of this process less urgent than the seats' carriers. A failure leaves it as it was: slower for the
/// seats, not wrong.
void run_after_seats(int thread_id) noexcept;

/// What a thread, not joined yet, has used of a core so far; 0 where the system does not say.
[[nodiscard]] std::chrono::nanoseconds cpu_time_of(std::thread::native_handle_type thread) noexcept;

/// What the calling thread has used of a core, and how often it has slept; empty where the system does not say.
struct thread_usage {
  std::chrono::nanoseconds on_cpu{};
  std::uint64_t sleeps = 0;
};
[[nodiscard]] std::optional<thread_usage> usage_of_this_thread() noexcept;

/// What a thread of this process is doing at this moment.
struct thread_activity {
  stall_reason reason = stall_reason::unknown;  ///< `computing` for whatever can run, whether it does or not
  std::string system_call = {};
  const void* lock = nullptr;   ///< the futex that it waits for
  const void* place = nullptr;  ///< where in the code it is, when it does not run
  /// It goes on as if nothing had been after a signal handler of weft's has run. Not so for a few system calls.
  bool can_be_interrupted = true;
};
[[nodiscard]] thread_activity activity_of(int thread_id);

/// To be called before trace_of(), which then costs no more than it must.
void prepare_traces();

/// The addresses of the calls in which a thread of this process is that runs `task` now, innermost first: from the
/// thread itself, which is interrupted for it. Empty when it runs something else, or does not answer in some
/// milliseconds.
/// Thread: any, one after another.
[[nodiscard]] std::vector<const void*> trace_of(int thread_id, const runnable& task);

/// The function that `address` lies in, and how far, or what is known instead.
[[nodiscard]] std::string name_of_place(const void* address);

}  // namespace weft::sched
