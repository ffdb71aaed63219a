#include <weft/sync/latch.hpp>

#include <mutex>

#include <weft/base/check.hpp>

namespace weft {

latch::~latch() {
  std::lock_guard guard{lock_};  // the last waker is gone
  WEFT_CHECK(waiters_.empty(), "a latch is destroyed when nobody waits for it: join the waiters first");
}

void latch::count_down(std::size_t by) noexcept {
  if (by == 0) return;
  constexpr auto advice = "a latch is counted down by no more than is left";
  // relaxed: checked by the exchange
  auto seen = count_.load(std::memory_order_relaxed);
  while (seen > by) {
    // release: publishes what was done before, through the other count-downs, to whoever sees zero
    if (count_.compare_exchange_weak(seen, seen - by, std::memory_order_release, std::memory_order_relaxed)) return;
  }
  detail::claimed_waiters claimed;  // told after the lock was let go
  std::lock_guard guard{lock_};
  // Under the lock, since a waiter that sees zero may destroy the latch. Only a misuse can have changed what was seen.
  // acq_rel: release as above; acquire, since the waiters claimed here see the earlier count-downs through us
  auto before = count_.fetch_sub(by, std::memory_order_acq_rel);
  WEFT_CHECK(before >= by, advice);
  if (before == by) detail::claim_all(waiters_, claimed);
}

namespace detail {

bool latch_wait::arm(wait_node& node) const noexcept {
  std::lock_guard guard{target_->lock_};
  // acquire: as in try_wait(): the count-downs before the last one were made without the lock
  if (target_->count_.load(std::memory_order_acquire) == 0) return node.claim();
  target_->waiters_.push_back(node);
  return false;
}

void latch_wait::disarm(wait_node& node) const noexcept {
  if (node.claimed) return;  // taken out by whoever claimed it
  std::lock_guard guard{target_->lock_};
  unlink(node);
}

}  // namespace detail
}  // namespace weft
