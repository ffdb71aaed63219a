#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <sched.h>

#include "sched/thread_state.hpp"

namespace weft::sched {
namespace {

/// Enough that a seat with something to do runs at once, and that computing still gets its share when seats are busy:
/// the same as compute()'s threads have.
constexpr int nice_below_seats = 10;

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

// What backends block in. Others are called by their numbers.
constexpr auto known_calls = std::to_array<std::pair<long, const char*>>({{SYS_read, "read"},
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
                                                                          {SYS_poll, "poll"},
                                                                          {SYS_select, "select"},
                                                                          {SYS_epoll_wait, "epoll_wait"},
                                                                          {SYS_open, "open"},
#endif
                                                                          {SYS_ppoll, "ppoll"},
                                                                          {SYS_pselect6, "pselect6"},
                                                                          {SYS_epoll_pwait, "epoll_pwait"},
                                                                          {SYS_nanosleep, "nanosleep"},
                                                                          {SYS_clock_nanosleep, "clock_nanosleep"},
                                                                          {SYS_fsync, "fsync"},
                                                                          {SYS_fdatasync, "fdatasync"},
                                                                          {SYS_openat, "openat"},
                                                                          {SYS_flock, "flock"},
                                                                          {SYS_fcntl, "fcntl"},
                                                                          {SYS_wait4, "wait4"},
                                                                          {SYS_waitid, "waitid"},
                                                                          {SYS_futex, "futex"},
                                                                          {SYS_rt_sigtimedwait, "rt_sigtimedwait"},
                                                                          {SYS_io_uring_enter, "io_uring_enter"}});

std::string name_of_call(long number) {
  for (auto [known, name] : known_calls) {
    if (known == number) return name;
  }
  return "system call " + std::to_string(number);
}

}  // namespace

int become_carrier() noexcept {
  pthread_setname_np(pthread_self(), "weft-carrier");
  want_short_slice();
  return static_cast<int>(::syscall(SYS_gettid));
}

void become_watch() noexcept {
  pthread_setname_np(pthread_self(), "weft-watch");
  want_short_slice();
}

void run_after_seats(int thread_id) noexcept {
  static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(thread_id), nice_below_seats));
}

std::chrono::nanoseconds cpu_time_of(std::thread::native_handle_type thread) noexcept {
  clockid_t clock{};
  timespec used{};
  if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &used) != 0) return {};
  return std::chrono::seconds{used.tv_sec} + std::chrono::nanoseconds{used.tv_nsec};
}

// The file says "running", or the number of the system call that the thread sleeps in and its arguments, or -1 for one
// that sleeps elsewhere in the kernel. See proc(5).
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
  char* end = nullptr;
  auto number = std::strtol(text.data(), &end, 10);
  if (end == text.data()) return {};
  if (number < 0) return {.reason = stall_reason::page_fault};
  return {.reason = number == SYS_futex ? stall_reason::lock : stall_reason::system_call,
          .system_call = name_of_call(number)};
}

}  // namespace weft::sched
