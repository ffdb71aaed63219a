#include "weft/base/detail/thread_interrupt.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>

#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include <weft/base/check.hpp>

#include "weft/base/detail/system_call.hpp"

// Everything from on_signal() down runs in a signal handler: no allocation, no lock.
//
// A signal of ours carries a word: a mark, which of the functions, and its argument.

namespace weft::base {
namespace {

constexpr int index_shift = 32, mark_shift = 40;
constexpr std::uint64_t mark = 0x77'65'66;  // "wef"
constexpr std::size_t most_functions = 8;

constinit std::array<std::atomic<thread_interrupt::function>, most_functions> functions{};
constinit std::atomic<std::size_t> used{0};

struct sigaction previous;  // set before the handler is installed, not changed afterwards

// What a handler of ours blocks: all signals but those by which code that it calls fails.
sigset_t blocked_by_handler() noexcept {
  sigset_t blocked;
  sigfillset(&blocked);
  for (const int each : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) sigdelset(&blocked, each);
  return blocked;
}

/// Blocks what the previous handler asked for, as if it had been called by the system.
void block_as_previous(const sigset_t& blocked_where_interrupted) noexcept {
  sigset_t blocked;
  sigorset(&blocked, &blocked_where_interrupted, &previous.sa_mask);
  sigaddset(&blocked, SIGURG);
  ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
}

void chain(int signal, siginfo_t* info, void* interrupted) noexcept {
  block_as_previous(static_cast<ucontext_t*>(interrupted)->uc_sigmask);
  if ((previous.sa_flags & SA_SIGINFO) != 0) return previous.sa_sigaction(signal, info, interrupted);
  // By default the signal is ignored.
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) previous.sa_handler(signal);
}

void on_signal(int signal, siginfo_t* info, void* interrupted) noexcept {
  const int interrupted_errno = errno;
  auto word = reinterpret_cast<std::uint64_t>(info->si_value.sival_ptr);
  auto index = static_cast<std::size_t>(word >> index_shift & 0xff);
  if (info->si_code == SI_QUEUE && info->si_pid == ::getpid() && word >> mark_shift == mark && index < most_functions) {
    // acquire: pairs with the constructor
    if (auto what = functions[index].load(std::memory_order_acquire)) what(static_cast<std::uint32_t>(word));
    resume_interrupted_call(signal, interrupted);
  } else {
    chain(signal, info, interrupted);
  }
  errno = interrupted_errno;
}

void install_handler() noexcept {
  static std::once_flag once;
  std::call_once(once, [] {
    ::sigaction(SIGURG, nullptr, &previous);
    struct sigaction ours{};
    ours.sa_sigaction = &on_signal;
    ours.sa_mask = blocked_by_handler();
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    ::sigaction(SIGURG, &ours, nullptr);
  });
}

}  // namespace

// relaxed: a number of one's own
thread_interrupt::thread_interrupt(function what) : index_{used.fetch_add(1, std::memory_order_relaxed)} {
  WEFT_CHECK(index_ < most_functions, "weft interrupts threads for more reasons than it knows");
  // release: what the function needs; pairs with the acquire in on_signal()
  functions[index_].store(what, std::memory_order_release);
  install_handler();
}

void thread_interrupt::allow_here() noexcept {
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGURG);
  ::pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
}

sigset_t thread_interrupt::mask_that_allows() noexcept {
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  sigdelset(&blocked, SIGURG);
  return blocked;
}

bool thread_interrupt::send(int thread_id, std::uint32_t argument) const noexcept {
  sleeping_thread asleep;
  if (condition_of(thread_id, asleep) == thread_condition::asleep) expect_interrupted_call(asleep);
  siginfo_t info{};
  info.si_signo = SIGURG;
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_uid = ::getuid();
  info.si_value.sival_ptr =
      reinterpret_cast<void*>(mark << mark_shift | std::uint64_t{index_} << index_shift | argument);
  return ::syscall(SYS_rt_tgsigqueueinfo, info.si_pid, thread_id, SIGURG, &info) == 0;
}

}  // namespace weft::base
