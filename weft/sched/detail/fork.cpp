#include <weft/sched/detail/fork.hpp>

#include <pthread.h>

#include <atomic>
#include <cstddef>

#include <weft/base/check.hpp>

#include "weft/sched/detail/carrier.hpp"

namespace weft::sched {
namespace {

std::atomic<std::size_t> owners{0};
std::atomic<bool> without_threads{false};

// In the child, on its only thread. What it forked from may be a carrier: it has no seat any more, so that the first
// thing it asks of one is refused.
void lose_threads() noexcept {
  // relaxed, all: there is no other thread
  if (owners.load(std::memory_order_relaxed) == 0) return;
  without_threads.store(true, std::memory_order_relaxed);
  if (auto* self = current_carrier()) self->forget_seat();
}

}  // namespace

thread_owner::thread_owner() {
  check_threads_exist();
  [[maybe_unused]] static const int registered = ::pthread_atfork(nullptr, nullptr, &lose_threads);
  // relaxed: read in a child of fork(), which has a copy of what its thread saw
  owners.fetch_add(1, std::memory_order_relaxed);
}

thread_owner::~thread_owner() {
  // relaxed: as above
  owners.fetch_sub(1, std::memory_order_relaxed);
}

bool lost_its_threads() noexcept {
  // relaxed: written before the process had a second thread
  return without_threads.load(std::memory_order_relaxed);
}

void check_threads_exist() noexcept {
  WEFT_CHECK(!lost_its_threads(),
             "this process was made by fork() while weft had threads in its parent, which it does not have: between "
             "fork() and exec() or _exit() call nothing of weft's, or fork() before weft::run()");
}

}  // namespace weft::sched
