#include <mutex>

#include <weft/sync/mutex.hpp>

namespace weft {

void mutex::lock_contended() { detail::wait_to_the_end(async_lock()); }

bool mutex::arm(wait_node& node) noexcept {
  std::lock_guard guard{queue_lock_};
  // acquire: as in try_lock. From here on unlock() comes to hand_over(), which waits for queue_lock_.
  auto before = state_.exchange(contended, std::memory_order_acquire);
  if (before == free) {
    // Nobody waits: those who do keep the state contended.
    state_.store(held, std::memory_order_relaxed);  // relaxed: held by the caller
    if (node.claim()) return true;
    state_.store(free, std::memory_order_release);  // release: as in unlock; the wait was cancelled meanwhile
    return false;
  }
  waiters_.push_back(node);
  return false;
}

void mutex::disarm(wait_node& node) noexcept {
  std::lock_guard guard{queue_lock_};
  if (node.is_linked()) base::intrusive_list<wait_node>::remove(node);
  // The state stays contended; the holder's hand_over() finds nobody and frees it.
}

void mutex::hand_over() noexcept {
  wait_node* next = nullptr;
  {
    std::lock_guard guard{queue_lock_};
    while ((next = waiters_.pop_front())) {
      if (next->claim()) break;
    }
    if (!next) {
      state_.store(free, std::memory_order_release);  // release: as in unlock
      return;
    }
    // relaxed: the next holder is published to by notify()
    if (waiters_.empty()) state_.store(held, std::memory_order_relaxed);
  }
  next->notify();
}

}  // namespace weft
