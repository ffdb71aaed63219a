#pragma once

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace weft::testing {

/// A page of memory that is not there until fill(): who touches it waits in a page fault, by userfaultfd.
/// Thread: any, but for construction and destruction.
class page_fault {
 public:
  page_fault() {
    number_ = static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
    if (number_ < 0) return;
    uffdio_api wanted{.api = UFFD_API, .features = 0, .ioctls = 0};
    auto* memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    page_ = static_cast<char*>(memory);
    uffdio_register place{};
    place.range = {reinterpret_cast<std::size_t>(page_), bytes_};
    place.mode = UFFDIO_REGISTER_MODE_MISSING;
    works_ = ::ioctl(number_, UFFDIO_API, &wanted) == 0 && ::ioctl(number_, UFFDIO_REGISTER, &place) == 0;
  }
  ~page_fault() {
    if (page_) ::munmap(page_, bytes_);
    if (number_ >= 0) ::close(number_);
  }
  page_fault(const page_fault&) = delete;
  page_fault& operator=(const page_fault&) = delete;

  /// False: the system forbids it, as containers may.
  [[nodiscard]] bool works() const noexcept { return works_; }

  void touch() const noexcept { static_cast<void>(*static_cast<volatile char*>(page_)); }

  void fill() const noexcept {
    uffdio_zeropage zero{};
    zero.range = {reinterpret_cast<std::size_t>(page_), bytes_};
    if (works_) ::ioctl(number_, UFFDIO_ZEROPAGE, &zero);
  }

 private:
  const std::size_t bytes_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  int number_ = -1;
  char* page_ = nullptr;
  bool works_ = false;
};

}  // namespace weft::testing
