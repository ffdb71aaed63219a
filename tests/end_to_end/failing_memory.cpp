// Loaded before the C library (LD_PRELOAD): lets allocations and mappings fail at random while the test wants it, and
// says where the program was when it ends by abort().
//
// WEFT_TEST_FAILURES names a file of eight bytes, a number in the machine's order: one in so many fails; none at 0.

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* before, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
}

namespace {

std::atomic<const std::atomic<std::uint64_t>*> one_in{nullptr};

[[gnu::constructor]] void open_switch() {
  const char* path = std::getenv("WEFT_TEST_FAILURES");
  const int file = path ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void* memory = ::mmap(nullptr, sizeof(std::uint64_t), PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  // release: the page is mapped; pairs with fails()
  if (memory != MAP_FAILED) {
    one_in.store(static_cast<const std::atomic<std::uint64_t>*>(memory), std::memory_order_release);
  }
  void* frame = nullptr;
  ::backtrace(&frame, 1);  // loads what it needs, now
}

bool fails() noexcept {
  static std::atomic<std::uint64_t> state{0x9e3779b97f4a7c15};
  // acquire: see open_switch()
  const auto* wanted = one_in.load(std::memory_order_acquire);
  // relaxed: the test does not mind when exactly it begins
  const auto odds = wanted ? wanted->load(std::memory_order_relaxed) : 0;
  if (odds == 0) return false;
  // relaxed: a counter; splitmix64 makes random numbers of it
  auto mixed = state.fetch_add(0x9e3779b97f4a7c15, std::memory_order_relaxed);
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return (mixed ^ mixed >> 31) % odds == 0;
}

/// glibc ends the program itself where it finds no memory to note the destructor of a thread's variable.
bool is_for_thread_destructor(const void* caller) noexcept {
  Dl_info found{};
  return ::dladdr(caller, &found) != 0 && found.dli_sname &&
         std::strcmp(found.dli_sname, "__cxa_thread_atexit_impl") == 0;
}

void* none() noexcept {
  errno = ENOMEM;
  return nullptr;
}

}  // namespace

extern "C" {

void* malloc(std::size_t bytes) { return fails() ? none() : __libc_malloc(bytes); }

void* calloc(std::size_t count, std::size_t bytes) {
  return fails() && !is_for_thread_destructor(__builtin_return_address(0)) ? none() : __libc_calloc(count, bytes);
}

void* realloc(void* before, std::size_t bytes) { return fails() ? none() : __libc_realloc(before, bytes); }

void* memalign(std::size_t alignment, std::size_t bytes) {
  return fails() ? none() : __libc_memalign(alignment, bytes);
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return fails() ? none() : __libc_memalign(alignment, bytes);
}

int posix_memalign(void** into, std::size_t alignment, std::size_t bytes) {
  void* made = fails() ? nullptr : __libc_memalign(alignment, bytes);
  if (!made) return ENOMEM;
  *into = made;
  return 0;
}

void* mmap(void* where, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  if (fails()) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(::syscall(SYS_mmap, where, bytes, protection, flags, file, offset));
}

void abort() {
  void* frames[64];
  ::backtrace_symbols_fd(frames, ::backtrace(frames, 64), STDERR_FILENO);
  static auto* const real = reinterpret_cast<void (*)()>(::dlsym(RTLD_NEXT, "abort"));
  real();
  ::_exit(134);
}
}
