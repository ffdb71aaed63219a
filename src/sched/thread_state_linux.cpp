#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <sched.h>

#include "base/own_thread.hpp"
#include "base/thread_interrupt.hpp"
#include "sched/thread_state.hpp"

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

/// What Linux does with a call that a signal handler interrupted, when the handler allows it to go on (SA_RESTART).
enum class after_signal : std::uint8_t { goes_on, fails };

struct known_call {
  long number;
  const char* name;
  after_signal then = after_signal::goes_on;
};

// What backends block in. Others are called by their numbers. See signal(7).
constexpr auto known_calls = std::to_array<known_call>({{SYS_read, "read"},
                                                        {SYS_write, "write"},
                                                        {SYS_pread64, "pread64"},
                                                        {SYS_pwrite64, "pwrite64"},
                                                        {SYS_readv, "readv"},
                                                        {SYS_writev, "writev"},
                                                        {SYS_preadv2, "preadv2"},
                                                        {SYS_pwritev2, "pwritev2"},
                                                        {SYS_recvfrom, "recvfrom"},
                                                        {SYS_recvmsg, "recvmsg"},
                                                        {SYS_sendto, "sendto"},
                                                        {SYS_sendmsg, "sendmsg"},
                                                        {SYS_sendfile, "sendfile"},
                                                        {SYS_accept, "accept"},
                                                        {SYS_accept4, "accept4"},
                                                        {SYS_connect, "connect"},
#ifdef SYS_poll
                                                        {SYS_poll, "poll", after_signal::fails},
                                                        {SYS_select, "select", after_signal::fails},
                                                        {SYS_epoll_wait, "epoll_wait", after_signal::fails},
                                                        {SYS_open, "open"},
#endif
                                                        {SYS_ppoll, "ppoll", after_signal::fails},
                                                        {SYS_pselect6, "pselect6", after_signal::fails},
                                                        {SYS_epoll_pwait, "epoll_pwait", after_signal::fails},
                                                        {SYS_nanosleep, "nanosleep", after_signal::fails},
                                                        {SYS_clock_nanosleep, "clock_nanosleep", after_signal::fails},
                                                        {SYS_fsync, "fsync"},
                                                        {SYS_fdatasync, "fdatasync"},
                                                        {SYS_openat, "openat"},
                                                        {SYS_flock, "flock"},
                                                        {SYS_fcntl, "fcntl"},
                                                        {SYS_wait4, "wait4"},
                                                        {SYS_waitid, "waitid"},
                                                        {SYS_futex, "futex"},
                                                        {SYS_rt_sigtimedwait, "rt_sigtimedwait", after_signal::fails},
                                                        {SYS_io_uring_enter, "io_uring_enter", after_signal::fails}});

/// An unknown call may fail.
known_call call_of(long number) {
  for (const auto& known : known_calls) {
    if (known.number == number) return known;
  }
  return {number, nullptr, after_signal::fails};
}

/// What /proc/self/task/<id>/syscall says of a thread that sleeps; see proc(5).
struct sleeping_thread {
  long call = -1;  // -1: not in one
  std::array<unsigned long, 6> arguments{};
  unsigned long stack_pointer = 0, program_counter = 0;
};

/// False: the text does not say that.
bool parse(const char* text, sleeping_thread& into) {
  auto& found = into.arguments;
  int count = std::sscanf(text, "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &into.call, &found[0], &found[1], &found[2],
                          &found[3], &found[4], &found[5], &into.stack_pointer, &into.program_counter);
  if (count == 9) return true;
  return std::sscanf(text, "%ld %lx %lx", &into.call, &into.stack_pointer, &into.program_counter) == 3 &&
         into.call == -1;
}

thread_activity activity_of(const sleeping_thread& one) {
  auto* place = reinterpret_cast<const void*>(one.program_counter);
  if (one.call < 0) return {.reason = stall_reason::page_fault, .place = place};
  auto call = call_of(one.call);
  thread_activity found{.reason = stall_reason::system_call,
                        .system_call = call.name ? call.name : "system call " + std::to_string(one.call),
                        .place = place,
                        .can_be_interrupted = call.then == after_signal::goes_on};
  if (one.call == SYS_futex) {
    found.reason = stall_reason::lock;
    found.lock = reinterpret_cast<const void*>(one.arguments[0]);
    found.can_be_interrupted = one.arguments[3] == 0;  // no timeout
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

void become_watch() noexcept {
  base::become_own_thread("weft-watch");
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

// The file says "running", or what parse() understands.
thread_activity activity_of(int thread_id) {
  std::array<char, 64> path;
  std::snprintf(path.data(), path.size(), "/proc/self/task/%d/syscall", thread_id);
  int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::array<char, 256> text;
  auto got = ::read(file, text.data(), text.size() - 1);
  ::close(file);
  if (got <= 0) return {};
  text[static_cast<std::size_t>(got)] = '\0';
  if (std::strncmp(text.data(), "running", 7) == 0) return {.reason = stall_reason::computing};
  sleeping_thread asleep;
  return parse(text.data(), asleep) ? activity_of(asleep) : thread_activity{};
}

}  // namespace weft::sched
