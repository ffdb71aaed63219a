#include "weft/stack/detail/memory.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace weft::stack::memory {
namespace {

std::error_code last_error() noexcept { return {errno, std::system_category()}; }

std::byte* map(std::size_t bytes) noexcept {
  void* begin = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (begin == MAP_FAILED) return nullptr;
  // A huge page would give each stack 2 MB with its first touch. Refused only by kernels that have none.
  madvise(begin, bytes, MADV_NOHUGEPAGE);
  return static_cast<std::byte*>(begin);
}

/// Whether an access would succeed: lets the kernel try.
bool is_readable(const void* address) noexcept {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return true;
  const bool readable = write(ends[1], address, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return readable;
}

/// The number that a file of /proc begins with; -1 when it cannot be read.
long long number_in(const char* path) {
  long long number = -1;
  std::ifstream{path} >> number;
  return number;
}

long long mappings_in_use() {
  std::ifstream maps{"/proc/self/maps"};
  long long lines = 0;
  while (maps.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) ++lines;
  return lines;
}

}  // namespace

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

std::size_t guard_bytes() noexcept { return std::max<std::size_t>(page_bytes(), 64 * 1024); }

guard_method best_guard() noexcept {
  static const guard_method found = [] {
    void* page = mmap(nullptr, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return guard_method::split_protection;
    // Emulators accept advice that they do not know, so look at what it did.
    const bool guards = madvise(page, page_bytes(), MADV_GUARD_INSTALL) == 0 && !is_readable(page);
    munmap(page, page_bytes());
    return guards ? guard_method::advice : guard_method::split_protection;
  }();
  return found;
}

address_space::address_space(std::size_t bytes) noexcept : begin_(map(bytes)), bytes_(bytes) {}

address_space::~address_space() {
  if (begin_ != nullptr) munmap(begin_, bytes_);
}

std::error_code install_guard(std::byte* begin, guard_method method) noexcept {
  if (method == guard_method::advice) {
    if (madvise(begin, guard_bytes(), MADV_GUARD_INSTALL) == 0) return {};
    // EINVAL: the kernel knows the advice but not for this mapping (locked memory, in the first kernels that had it).
    if (errno != EINVAL) return last_error();
  }
  return mprotect(begin, guard_bytes(), PROT_NONE) == 0 ? std::error_code{} : last_error();
}

void drop(std::byte* begin, std::size_t bytes) noexcept { madvise(begin, bytes, MADV_DONTNEED); }

std::byte* first_resident(std::byte* begin, std::byte* end) noexcept {
  constexpr std::size_t at_once = 256;
  unsigned char resident[at_once];
  while (begin != end) {
    const std::size_t pages = std::min(at_once, static_cast<std::size_t>(end - begin) / page_bytes());
    if (mincore(begin, pages * page_bytes(), resident) != 0) return end;
    for (std::size_t i = 0; i < pages; ++i, begin += page_bytes()) {
      if ((resident[i] & 1) != 0) return begin;
    }
  }
  return end;
}

std::string explain(std::error_code error, std::size_t least_mappings) {
  const long long mappings = std::max(mappings_in_use(), static_cast<long long>(least_mappings));
  const long long mappings_allowed = number_in("/proc/sys/vm/max_map_count");
  if (error == std::errc::not_enough_memory && mappings_allowed > 0 && mappings + mappings / 64 >= mappings_allowed) {
    return "The process has " + std::to_string(mappings) + " memory mappings and vm.max_map_count allows " +
           std::to_string(mappings_allowed) +
           ". Raise it (sysctl -w vm.max_map_count=" + std::to_string(mappings_allowed * 8) +
           "), or run Linux 6.13 or newer, where the guard below a stack takes no mapping.";
  }
  rlimit address_space{};
  if (getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY) {
    return "The process may have " + std::to_string(address_space.rlim_cur) +
           " bytes of address space (RLIMIT_AS). Raise it (ulimit -v), or lower stack_bytes.";
  }
  if (error == std::errc::not_enough_memory && number_in("/proc/sys/vm/overcommit_memory") == 2) {
    return "The system commits memory strictly (vm.overcommit_memory is 2), so that stacks count in full though they "
           "are not touched. Set it to 0 or 1, raise vm.overcommit_ratio, or lower stack_bytes.";
  }
  return "The kernel said: " + error.message() +
         ". Look at the memory limit of the container (memory.max), at free memory, and at stack_bytes.";
}

}  // namespace weft::stack::memory
