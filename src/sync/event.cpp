#include <weft/sync/event.hpp>

#include <mutex>

#include <weft/base/check.hpp>

namespace weft {

event::~event() {
  std::lock_guard guard{lock_};  // the last waker is gone
  WEFT_CHECK(waiters_.empty(), "an event is destroyed when nobody waits for it: join the waiters first");
}

void event::set() noexcept {
  detail::claimed_waiters claimed;  // told after the lock was let go
  std::lock_guard guard{lock_};
  // release: publishes what was done before, to is_set()
  is_set_.store(true, std::memory_order_release);
  detail::claim_all(waiters_, claimed);
}

void event::reset() noexcept {
  std::lock_guard guard{lock_};
  // relaxed: nothing to publish
  is_set_.store(false, std::memory_order_relaxed);
}

namespace detail {

bool event_wait::arm(wait_node& node) const noexcept {
  std::lock_guard guard{target_->lock_};
  // relaxed: written under the lock
  if (target_->is_set_.load(std::memory_order_relaxed)) return node.claim();
  target_->waiters_.push_back(node);
  return false;
}

void event_wait::disarm(wait_node& node) const noexcept {
  if (node.claimed) return;  // taken out by whoever claimed it
  std::lock_guard guard{target_->lock_};
  unlink(node);
}

}  // namespace detail
}  // namespace weft
