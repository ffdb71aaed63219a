#include "weft/base/detail/system_call.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include <weft/base/detail/build_match.hpp>

// Some calls fail with EINTR after any handler, whatever SA_RESTART says: poll, sleep and their like, sockets with a
// timeout. Such a call is made again by its own registers: the handler's return leads back to the instruction that
// enters the kernel, with the number of the call where that instruction expects it. The registers of the arguments are
// as they were. The number alone is lost by then, so it is written down before the signal is sent.
//
// It is right for calls that last as long in all when they are made twice: without a timeout, until a point in time, or
// with a time that the kernel counts down where the caller put it. (The time in the handler itself does not count.)
// Sockets with a timeout wait for it once more, which is nearer to what their callers expect than EINTR.
//
// A program whose own signal is to end such a call with EINTR sees it do so. A signal of a lower number that comes
// together with ours has its handler set up first, and ours then finds that it interrupted that one. One that comes
// while ours runs is blocked there, and found pending. As ever, a signal may also come just before the call that it was
// meant to end: here, in the instant between that look and the call.
//
// ThreadSanitizer runs handlers later, with registers of its own: there no call is made again.

namespace weft::base {
namespace {

/// What Linux does with a call that a signal handler interrupted, when the handler allows it to go on (SA_RESTART).
enum class after_signal : std::uint8_t { restarts, fails };

struct known_call {
  long number;
  const char* name;
  after_signal then = after_signal::restarts;
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
known_call call_of(long number) noexcept {
  for (const auto& known : known_calls) {
    if (known.number == number) return known;
  }
  return {number, nullptr, after_signal::fails};
}

/// False: the text does not say that.
bool parse(const char* text, sleeping_thread& into) noexcept {
  auto& found = into.arguments;
  int count = std::sscanf(text, "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &into.call, &found[0], &found[1], &found[2],
                          &found[3], &found[4], &found[5], &into.stack_pointer, &into.program_counter);
  if (count == 9) return true;
  return std::sscanf(text, "%ld %lx %lx", &into.call, &into.stack_pointer, &into.program_counter) == 3 &&
         into.call == -1;
}

// The instruction that enters the kernel, and its registers.
#if defined(__x86_64__) && !defined(WEFT_THREAD_SANITIZER)
constexpr bool knows_registers = true;
constexpr std::size_t instruction_bytes = 2;
constexpr std::array<int, 6> argument_registers{REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};

bool is_interrupted_at(const mcontext_t& registers, unsigned long place) noexcept {
  return static_cast<unsigned long>(registers.gregs[REG_RIP]) == place && registers.gregs[REG_RAX] == -EINTR;
}
unsigned long stack_pointer_of(const mcontext_t& registers) noexcept {
  return static_cast<unsigned long>(registers.gregs[REG_RSP]);
}
unsigned long argument_of(const mcontext_t& registers, std::size_t index) noexcept {
  return static_cast<unsigned long>(registers.gregs[argument_registers[index]]);
}
constexpr std::size_t first_kept_argument = 0;
void make_again(mcontext_t& registers, long number, unsigned long /*first*/) noexcept {
  registers.gregs[REG_RAX] = number;
  registers.gregs[REG_RIP] -= instruction_bytes;
}
#elif defined(__aarch64__) && !defined(WEFT_THREAD_SANITIZER)
constexpr bool knows_registers = true;
constexpr std::size_t instruction_bytes = 4;

bool is_interrupted_at(const mcontext_t& registers, unsigned long place) noexcept {
  return registers.pc == place && static_cast<long>(registers.regs[0]) == -EINTR;
}
unsigned long stack_pointer_of(const mcontext_t& registers) noexcept { return registers.sp; }
unsigned long argument_of(const mcontext_t& registers, std::size_t index) noexcept { return registers.regs[index]; }
// The result has taken the place of the first one; the number's register is as it was.
constexpr std::size_t first_kept_argument = 1;
void make_again(mcontext_t& registers, long /*number*/, unsigned long first) noexcept {
  registers.regs[0] = first;
  registers.pc -= instruction_bytes;
}
#else
constexpr bool knows_registers = false;
constexpr std::size_t first_kept_argument = 0;
bool is_interrupted_at(const mcontext_t&, unsigned long) noexcept { return false; }
unsigned long stack_pointer_of(const mcontext_t&) noexcept { return 0; }
unsigned long argument_of(const mcontext_t&, std::size_t) noexcept { return 0; }
void make_again(mcontext_t&, long, unsigned long) noexcept {}
#endif

/// Whether a call that fails with EINTR lasts as long in all when it is made again.
bool lasts_as_long(const sleeping_thread& asleep) noexcept {
  const auto& arguments = asleep.arguments;
  auto is_for_ever = [&](std::size_t index) { return static_cast<int>(arguments[index]) < 0; };
  switch (asleep.call) {
#ifdef SYS_poll
    case SYS_poll: return is_for_ever(2);
    case SYS_epoll_wait: return is_for_ever(3);
    case SYS_select:  // counted down
#endif
    case SYS_ppoll:
    case SYS_pselect6: return true;
    case SYS_epoll_pwait: return is_for_ever(3);
    case SYS_nanosleep: return arguments[1] == arguments[0];  // counted down in place
    case SYS_clock_nanosleep: return (arguments[1] & TIMER_ABSTIME) != 0 || arguments[3] == arguments[2];
    // Until a point in time. Where the word has changed meanwhile the call says so, as ever.
    case SYS_futex: return (arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
    default: return false;
  }
}

/// A call that was expected. Each field alone is atomic: who reads a mixture of two compares it with registers that
/// meet neither.
struct expected_call {
  std::atomic<long> number{-1};
  std::array<std::atomic<unsigned long>, 6> arguments{};
  std::atomic<unsigned long> stack_pointer{0}, program_counter{0};
};

// So many threads can be interrupted before the first of them has run the handler.
constexpr std::size_t most_expected = 64;
constinit std::array<expected_call, most_expected> expected{};
constinit std::atomic<std::size_t> next{0};

bool meets(const expected_call& call, const mcontext_t& registers) noexcept {
  // relaxed, all: written before the signal was sent, which the kernel orders; a call that comes later is another's
  if (!is_interrupted_at(registers, call.program_counter.load(std::memory_order_relaxed)) ||
      stack_pointer_of(registers) != call.stack_pointer.load(std::memory_order_relaxed)) {
    return false;
  }
  for (std::size_t i = first_kept_argument; i < call.arguments.size(); ++i) {
    // relaxed: as above
    if (argument_of(registers, i) != call.arguments[i].load(std::memory_order_relaxed)) return false;
  }
  return true;
}

/// Whether another signal will be handled when the handler of `own_signal` returns to code that blocks `blocked`.
bool another_is_pending(int own_signal, const sigset_t& blocked) noexcept {
  sigset_t pending;
  if (::sigpending(&pending) != 0) return false;
  for (int each = 1; each <= SIGRTMAX; ++each) {
    if (each == own_signal || sigismember(&pending, each) != 1 || sigismember(&blocked, each) == 1) continue;
    struct sigaction action;
    if (::sigaction(each, nullptr, &action) != 0) continue;
    if ((action.sa_flags & SA_SIGINFO) != 0 || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)) {
      return true;
    }
  }
  return false;
}

}  // namespace

constinit const bool makes_calls_again = knows_registers;

// The file says "running", or what parse() understands.
thread_condition condition_of(int thread_id, sleeping_thread& asleep) noexcept {
  std::array<char, 64> path;
  std::snprintf(path.data(), path.size(), "/proc/self/task/%d/syscall", thread_id);
  int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return thread_condition::unknown;
  std::array<char, 256> text;
  auto got = ::read(file, text.data(), text.size() - 1);
  ::close(file);
  if (got <= 0) return thread_condition::unknown;
  text[static_cast<std::size_t>(got)] = '\0';
  if (std::strncmp(text.data(), "running", 7) == 0) return thread_condition::running;
  return parse(text.data(), asleep) ? thread_condition::asleep : thread_condition::unknown;
}

const char* name_of_system_call(long number) noexcept { return call_of(number).name; }

bool goes_on_after_interrupt(const sleeping_thread& asleep) noexcept {
  // SA_RESTART serves a futex without a timeout; those with one are made again or not, by their kind.
  const bool by_itself =
      asleep.call == SYS_futex ? asleep.arguments[3] == 0 : call_of(asleep.call).then == after_signal::restarts;
  return asleep.call < 0 || by_itself || (knows_registers && lasts_as_long(asleep));
}

void expect_interrupted_call(const sleeping_thread& asleep) noexcept {
  if (!knows_registers || asleep.call < 0 || !goes_on_after_interrupt(asleep)) return;
  // relaxed, all: see meets()
  auto& call = expected[next.fetch_add(1, std::memory_order_relaxed) % most_expected];
  call.number.store(asleep.call, std::memory_order_relaxed);
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    call.arguments[i].store(asleep.arguments[i], std::memory_order_relaxed);  // relaxed: as above
  }
  call.stack_pointer.store(asleep.stack_pointer, std::memory_order_relaxed);
  call.program_counter.store(asleep.program_counter, std::memory_order_relaxed);
}

void resume_interrupted_call(int own_signal, void* context) noexcept {
  auto& interrupted = *static_cast<ucontext_t*>(context);
  auto& registers = interrupted.uc_mcontext;
  const auto* found = std::ranges::find_if(expected, [&](const expected_call& call) { return meets(call, registers); });
  if (found == expected.end() || another_is_pending(own_signal, interrupted.uc_sigmask)) return;
  // relaxed, both: see meets()
  make_again(registers, found->number.load(std::memory_order_relaxed),
             found->arguments[0].load(std::memory_order_relaxed));
}

}  // namespace weft::base
