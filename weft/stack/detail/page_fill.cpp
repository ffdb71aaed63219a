#include "weft/stack/detail/page_fill.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "weft/stack/detail/memory.hpp"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

// CMake compiles this file without a sanitizer's instrumentation: see hibernation.hpp.

namespace weft::stack::page_fill {
namespace {

constexpr int none = -1;

constinit std::atomic<bool> allowed{true};

/// A descriptor whose registrations ask to be told of nothing: write protection is never set.
[[nodiscard]] int open_descriptor() noexcept {
  const auto file = static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  if (file < 0) return none;
  uffdio_api wanted{};
  wanted.api = UFFD_API;
  wanted.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP;
  if (::ioctl(file, UFFDIO_API, &wanted) == 0) return file;
  ::close(file);
  return none;
}

[[nodiscard]] bool add(int file, std::byte* begin, std::size_t bytes) noexcept {
  uffdio_register range{};
  range.range.start = reinterpret_cast<std::uintptr_t>(begin);
  range.range.len = bytes;
  range.mode = UFFDIO_REGISTER_MODE_WP;
  return ::ioctl(file, UFFDIO_REGISTER, &range) == 0;
}

[[nodiscard]] bool put_by(int file, std::byte* page, const void* contents) noexcept {
  uffdio_copy copy{};
  copy.dst = reinterpret_cast<std::uintptr_t>(page);
  copy.src = reinterpret_cast<std::uintptr_t>(contents);
  copy.len = page_bytes;
  while (::syscall(SYS_ioctl, file, UFFDIO_COPY, &copy) != 0) {
    if (errno != EAGAIN) return false;
    copy.copy = 0;
  }
  return true;
}

/// That a marker gives way is not promised by the kernel: tried.
[[nodiscard]] bool works(int file) noexcept {
  void* place = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return false;
  auto* page = static_cast<std::byte*>(place);
  alignas(64) static const std::uint64_t contents[page_bytes / sizeof(std::uint64_t)] = {1, 2, 3};
  const bool good = add(file, page, page_bytes) && madvise(page, page_bytes, MADV_GUARD_INSTALL) == 0 &&
                    put_by(file, page, contents) && reinterpret_cast<volatile std::uint64_t*>(page)[2] == 3;
  munmap(page, page_bytes);
  return good;
}

struct opened_file {
  int number;
  long process;
};

[[nodiscard]] const opened_file& opened() noexcept {
  static const opened_file found = [] {
    int file =
        memory::page_bytes() == page_bytes && memory::best_guard() == guard_method::advice ? open_descriptor() : none;
    if (file != none && !works(file)) {
      ::close(file);
      file = none;
    }
    return opened_file{file, ::syscall(SYS_getpid)};
  }();
  return found;
}

}  // namespace

void allow(bool is_allowed) noexcept {
  allowed.store(is_allowed, std::memory_order_relaxed);  // relaxed: both ways are right at any moment
}

void prepare() noexcept { static_cast<void>(opened()); }

void register_pages(std::byte* begin, std::size_t bytes) noexcept {
  // A refusal shows when a page is to be put there.
  if (opened().number != none) static_cast<void>(add(opened().number, begin, bytes));
}

bool put(std::byte* page, const void* contents) noexcept {
  if (!allowed.load(std::memory_order_relaxed)) return false;  // relaxed: as in allow()
  const auto& file = opened();
  // In the child of a fork() the descriptor still means the parent's memory.
  if (file.number == none || file.process != ::syscall(SYS_getpid)) return false;
  return put_by(file.number, page, contents);
}

}  // namespace weft::stack::page_fill
