#include "weft/stack/detail/overflow.hpp"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <mutex>
#include <string_view>

#include <execinfo.h>
#include <sched.h>
#include <unistd.h>

#include <weft/stack/detail/stack_pool.hpp>

#include "weft/stack/detail/frames.hpp"
#include "weft/stack/detail/hibernation.hpp"
#include "weft/stack/detail/reservation_registry.hpp"

// Everything from on_fault() down runs in a signal handler: no allocation, no lock, no C++ stream.

namespace weft::stack {
namespace {

std::atomic<overflow_hook> completes_report = nullptr;
std::atomic<running_stack> finds_running_stack = nullptr;

struct sigaction previous;  // set before the handler is installed, not changed afterwards

/// The overflow of a frame that was not probed and is larger than the guard: the stack pointer is below the stack that
/// the code runs on by right, and the fault is between the two.
overflow overflow_beyond_guard(const void* address, std::uintptr_t stack_pointer) noexcept {
  // acquire: pairs with the release in set_running_stack()
  const auto find = finds_running_stack.load(std::memory_order_acquire);
  const slot* own = find != nullptr ? find() : nullptr;
  if (own == nullptr || stack_pointer == 0) return {};
  const auto bottom = reinterpret_cast<std::uintptr_t>(own->bottom());
  // A call writes below the stack pointer, and so does a function that calls no other.
  const std::uintptr_t from = stack_pointer - memory::page_bytes();
  const bool is_between = reinterpret_cast<std::uintptr_t>(address) - from < bottom - from;
  return stack_pointer < bottom && is_between ? overflow{own, address, stack_pointer} : overflow{};
}

/// The overflow that a fault at `address` is, or one without a stack. A stray pointer into a guard is none: the stack
/// pointer must be close.
overflow overflow_at(const void* address, std::uintptr_t stack_pointer) noexcept {
  const auto place = reservation_registry::find(address);
  // acquire: sees the descriptor; pairs with the release in stack_pool::carve()
  if (!place.in_guard || place.index >= place.area->carved.load(std::memory_order_acquire)) {
    return overflow_beyond_guard(address, stack_pointer);
  }
  const auto guard = reinterpret_cast<std::uintptr_t>(place.area->guard(place.index));
  // From one guard's size below the guard (a frame that reaches over it) up to the stack's top.
  const std::uintptr_t from = guard - memory::guard_bytes();
  const bool runs_there = stack_pointer - from < memory::guard_bytes() + place.area->stride_bytes();
  if (!runs_there && stack_pointer != 0) return overflow_beyond_guard(address, stack_pointer);
  return {place.area->descriptor(place.index), address, stack_pointer};
}

void write_out(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void report(const overflow& found) noexcept {
  // Two threads' reports would be mixed up: one waits. acquire and release: as a lock.
  static std::atomic_flag reporting;
  while (reporting.test_and_set(std::memory_order_acquire)) sched_yield();
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, found.stack->pool().stack_bytes()).ptr;
  write_out("weft: stack overflow in a virtual thread (stack of ");
  write_out({digits, static_cast<std::size_t>(end - digits)});
  write_out(" bytes): raise stack_bytes, or look for a recursion without end\n");
  // acquire: pairs with the release in set_overflow_hook()
  if (auto hook = completes_report.load(std::memory_order_acquire)) hook(found);
  void* frames[32];
  const int count = backtrace(frames, 32);
  backtrace_symbols_fd(frames, count, STDERR_FILENO);
  // release: the next report begins after this one
  reporting.clear(std::memory_order_release);
}

/// What would have happened without weft's handler.
void chain(int signal, siginfo_t* info, void* interrupted) noexcept {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, interrupted);
    return;
  }
  const bool sent = info->si_code <= 0;  // by kill() or raise(), not by a fault
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
    return;
  }
  if (previous.sa_handler == SIG_IGN && sent) return;
  // A fault cannot be ignored. On return the instruction faults again, or the signal sent again is delivered, and ends
  // the program with everything in the registers as it was.
  struct sigaction fatal{};
  fatal.sa_handler = SIG_DFL;
  sigaction(signal, &fatal, nullptr);
  if (sent) raise(signal);
}

void on_fault(int signal, siginfo_t* info, void* interrupted) noexcept {
  const int interrupted_errno = errno;
  // What a fault on a stack that was put away, or is on its way, looks like.
  if (info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR) {
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    if (hibernation::settle(info->si_addr, address == machine::interrupted_instruction(interrupted))) {
      errno = interrupted_errno;
      return;
    }
  }
  if (info->si_code > 0) {
    const overflow found = overflow_at(info->si_addr, machine::interrupted_stack_pointer(interrupted));
    if (found.stack != nullptr) report(found);
  }
  chain(signal, info, interrupted);
  errno = interrupted_errno;
}

}  // namespace

overflow_hook set_overflow_hook(overflow_hook hook) noexcept {
  // release: publishes what the hook uses; pairs with the acquire in report(). acquire: the caller may call the old
  // one.
  return completes_report.exchange(hook, std::memory_order_acq_rel);
}

void set_running_stack(running_stack find) noexcept {
  // release: publishes what it uses; pairs with the acquire in overflow_beyond_guard()
  finds_running_stack.store(find, std::memory_order_release);
}

bool faults_reach_us() noexcept {
  struct sigaction present{};
  sigaction(SIGSEGV, nullptr, &present);
  return (present.sa_flags & SA_SIGINFO) != 0 && present.sa_sigaction == &on_fault;
}

void install_overflow_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    // The first call of each prepares what the handler must not: loads the unwinder, asks for the page size.
    void* frame = nullptr;
    backtrace(&frame, 1);
    static_cast<void>(memory::guard_bytes());
    sigaction(SIGSEGV, nullptr, &previous);
    struct sigaction ours{};
    ours.sa_sigaction = &on_fault;
    // The previous handler is called from ours, so it meets the mask that it asked for.
    ours.sa_mask = previous.sa_mask;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (previous.sa_flags & (SA_NODEFER | SA_RESTART));
    sigaction(SIGSEGV, &ours, nullptr);
  });
}

}  // namespace weft::stack
