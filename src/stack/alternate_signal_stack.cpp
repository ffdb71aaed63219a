#include <algorithm>
#include <csignal>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

#include <weft/stack/overflow.hpp>

namespace weft::stack {
namespace {

/// Room for the largest register set that the processor may have to save, and for the unwinder.
std::size_t wanted_bytes() noexcept {
  const long least = sysconf(_SC_SIGSTKSZ);
  return std::max<std::size_t>(least > 0 ? static_cast<std::size_t>(least) : 0, 128 * 1024);
}

}  // namespace

alternate_signal_stack::alternate_signal_stack() : bytes_(wanted_bytes()) {
  memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) throw std::bad_alloc{};
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
  munmap(memory_, bytes_);
}

}  // namespace weft::stack
