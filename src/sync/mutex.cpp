#include <weft/sync/mutex.hpp>

#include <mutex>

#include <weft/base/check.hpp>

namespace weft {

mutex::~mutex() {
  std::lock_guard guard{queue_lock_};  // whoever handed it over is done with it
  // relaxed: nobody else uses it any more
  WEFT_CHECK(state_.load(std::memory_order_relaxed) == free, "unlock a mutex before it is destroyed");
}

void mutex::lock_contended() { detail::wait_to_the_end(async_lock()); }

bool mutex::arm(wait_node& node) noexcept {
  std::lock_guard guard{queue_lock_};
  return lock_or_queue(node);
}

bool mutex::lock_or_queue(wait_node& node) noexcept {
  // acquire: as in try_lock. From here on unlock() comes to hand_over(), which waits for queue_lock_.
  auto before = state_.exchange(contended, std::memory_order_acquire);
  if (before != free) {
    waiters_.push_back(node);
    return false;
  }
  // Nobody waits: those who do keep the state contended.
  auto is_ours = node.claim();
  if (is_ours) note_holder(*node.task);
  // release: when the wait was cancelled meanwhile, the next holder sees through us what unlock() published
  state_.store(is_ours ? held : free, std::memory_order_release);
  return is_ours;
}

void mutex::disarm(wait_node& node) noexcept {
  if (node.claimed) return;  // taken out by whoever claimed it
  std::lock_guard guard{queue_lock_};
  detail::unlink(node);
  // The state stays contended; the holder's hand_over() finds nobody and frees it.
}

void mutex::describe(detail::wait_description& into) const {
  // relaxed, both: whoever acts on it looks again
  const auto* holder = holder_.load(std::memory_order_relaxed);
  if (!holder || state_.load(std::memory_order_relaxed) == free) return into.add(wait_kind::lock, "mutex", this);
  into.add_known(wait_kind::lock, "mutex", this, {holder});
}

void mutex::hand_over() noexcept {
  wait_node* next = nullptr;
  {
    std::lock_guard guard{queue_lock_};
    next = detail::claim_first(waiters_);
    if (!next) {
      state_.store(free, std::memory_order_release);  // release: as in unlock
      return;
    }
    note_holder(*next->task);
    // relaxed: the next holder is published to by notify()
    if (waiters_.empty()) state_.store(held, std::memory_order_relaxed);
  }
  next->notify();
}

}  // namespace weft
