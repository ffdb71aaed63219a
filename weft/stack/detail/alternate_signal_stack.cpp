#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <ctime>

#include <sys/mman.h>
#include <unistd.h>

#include "weft/stack/detail/overflow.hpp"

namespace weft::stack {
namespace {

/// Room for the largest register set that the processor may have to save, and for the unwinder.
std::size_t wanted_bytes() noexcept {
  const long least = sysconf(_SC_SIGSTKSZ);
  return std::max<std::size_t>(least > 0 ? static_cast<std::size_t>(least) : 0, 128 * 1024);
}

/// For when the system has no memory: some stacks that are there from the start, untouched and so without a page. More
/// OS threads than these begin at the same moment only where the system grants threads and denies this memory.
constexpr std::size_t emergency_bytes = 128 * 1024;
constexpr std::size_t emergency_stacks = 16;
alignas(4096) std::byte emergency_memory[emergency_stacks][emergency_bytes];
std::atomic<bool> emergency_taken[emergency_stacks];

void* take_emergency(std::size_t bytes) noexcept {
  if (bytes > emergency_bytes) return nullptr;
  for (std::size_t i = 0; i < emergency_stacks; ++i) {
    // acquire: what the thread before did on it is done; pairs with give_back()
    if (!emergency_taken[i].exchange(true, std::memory_order_acquire)) return emergency_memory[i];
  }
  return nullptr;
}

void give_back(void* memory, std::size_t bytes) noexcept {
  for (std::size_t i = 0; i < emergency_stacks; ++i) {
    if (memory != emergency_memory[i]) continue;
    // release: this thread is done with it; pairs with take_emergency()
    emergency_taken[i].store(false, std::memory_order_release);
    return;
  }
  munmap(memory, bytes);
}

/// Without the stack, the thread must not run flows: their faults could not be handled. So it waits for memory, which
/// is what others' operations that fail give back.
void* take(std::size_t bytes) noexcept {
  for (;;) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) return memory;
    if ((memory = take_emergency(bytes)) != nullptr) return memory;
    const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace

alternate_signal_stack::alternate_signal_stack() noexcept : memory_(take(wanted_bytes())), bytes_(wanted_bytes()) {
  stack_t fresh{};
  fresh.ss_sp = memory_;
  fresh.ss_size = bytes_;
  stack_t before{};
  sigaltstack(&fresh, &before);
  if ((before.ss_flags & SS_DISABLE) != 0) return;
  previous_memory_ = before.ss_sp;
  previous_bytes_ = before.ss_size;
}

alternate_signal_stack::~alternate_signal_stack() {
  stack_t now{};
  sigaltstack(nullptr, &now);
  // Somebody may have put their own over ours; then it stays.
  if (now.ss_sp == memory_) {
    stack_t before{};
    before.ss_sp = previous_memory_;
    before.ss_size = previous_bytes_;
    before.ss_flags = previous_memory_ == nullptr ? SS_DISABLE : 0;
    sigaltstack(&before, nullptr);
  }
  give_back(memory_, bytes_);
}

}  // namespace weft::stack
