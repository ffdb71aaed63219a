#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include <sched.h>

#include "weft/base/detail/own_thread.hpp"
#include "weft/base/detail/system_call.hpp"
#include "weft/base/detail/thread_interrupt.hpp"
#include "weft/sched/detail/thread_state.hpp"

namespace weft::sched {
namespace {

/// Enough that computing still gets its share when seats are busy. Measured with others in docs/architecture.md.
constexpr int nice_below_seats = 10;  // more than what the process has

/// struct sched_attr of the kernel, which Debian 12's C library does not declare.
struct scheduling {
  std::uint32_t size = sizeof(scheduling);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;  // the slice, for SCHED_OTHER since Linux 6.12; ignored before
  std::uint64_t deadline = 0, period = 0;
};

/// A short slice makes a thread that wakes run soon, at the price of being preempted soon. Keeps its nice value.
void want_short_slice() noexcept {
  constexpr std::uint64_t slice_nanoseconds = 500'000;
  errno = 0;
  int nice = getpriority(PRIO_PROCESS, 0);
  if (errno != 0) return;
  scheduling wanted{.nice = nice, .runtime = slice_nanoseconds};
  // A failure leaves the system's own slice.
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &wanted, 0));
}

thread_activity activity_of(const base::sleeping_thread& one) {
  auto* place = reinterpret_cast<const void*>(one.program_counter);
  if (one.call < 0) return {.reason = stall_reason::page_fault, .place = place};
  const auto* name = base::name_of_system_call(one.call);
  thread_activity found{.reason = stall_reason::system_call,
                        .system_call = name ? name : "system call " + std::to_string(one.call),
                        .place = place,
                        .can_be_interrupted = base::goes_on_after_interrupt(one)};
  if (one.call == SYS_futex) {
    found.reason = stall_reason::lock;
    found.lock = reinterpret_cast<const void*>(one.arguments[0]);
  }
  return found;
}

}  // namespace

int become_carrier() noexcept {
  base::become_own_thread("weft-carrier");
  want_short_slice();
  base::thread_interrupt::allow_here();
  return static_cast<int>(::syscall(SYS_gettid));
}

void become_watchdog() noexcept {
  base::become_own_thread("weft-watchdog");
  want_short_slice();
}

void run_after_seats(int thread_id) noexcept {
  errno = 0;
  // The main thread's: the one that calls, and the one that is meant, may have been started by one that was lowered.
  int own = getpriority(PRIO_PROCESS, static_cast<id_t>(getpid()));
  if (errno != 0) return;
  // A failure leaves the thread as urgent as any: slower for the seats, not wrong.
  static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(thread_id), std::min(own + nice_below_seats, 19)));
}

std::chrono::nanoseconds cpu_time_of(std::thread::native_handle_type thread) noexcept {
  clockid_t clock{};
  timespec used{};
  if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &used) != 0) return {};
  return std::chrono::seconds{used.tv_sec} + std::chrono::nanoseconds{used.tv_nsec};
}

std::optional<thread_usage> usage_of_this_thread() noexcept {
  rusage used{};
  if (::getrusage(RUSAGE_THREAD, &used) != 0) return std::nullopt;
  auto time = [](const timeval& of) { return std::chrono::seconds{of.tv_sec} + std::chrono::microseconds{of.tv_usec}; };
  return thread_usage{.on_cpu = time(used.ru_utime) + time(used.ru_stime),
                      .sleeps = static_cast<std::uint64_t>(used.ru_nvcsw)};
}

thread_activity activity_of(int thread_id) {
  base::sleeping_thread asleep;
  switch (base::condition_of(thread_id, asleep)) {
    case base::thread_condition::running: return {.reason = stall_reason::computing};
    case base::thread_condition::asleep: return activity_of(asleep);
    case base::thread_condition::unknown: break;
  }
  return {};
}

}  // namespace weft::sched
