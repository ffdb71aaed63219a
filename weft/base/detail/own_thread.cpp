#include "weft/base/detail/own_thread.hpp"

#include <atomic>

#if defined(__linux__)
#include <pthread.h>
#endif

namespace weft::base {
namespace {

constinit std::atomic<std::size_t> count{0};

struct counted {
  // relaxed, both: a number
  counted() noexcept { count.fetch_add(1, std::memory_order_relaxed); }
  ~counted() { count.fetch_sub(1, std::memory_order_relaxed); }
};

}  // namespace

void become_own_thread(const char* name) noexcept {
  static thread_local counted here;
  static_cast<void>(here);
#if defined(__linux__)
  ::pthread_setname_np(::pthread_self(), name);
#else
  static_cast<void>(name);
#endif
}

std::size_t own_threads() noexcept {
  // relaxed: a number
  return count.load(std::memory_order_relaxed);
}

}  // namespace weft::base
