#include <weft/sync/latch.hpp>

#include <weft/base/check.hpp>

namespace weft {

void latch::count_down(std::size_t by) noexcept {
  if (by == 0) return;
  // relaxed: checked by the exchange
  auto seen = count_.load(std::memory_order_relaxed);
  while (seen > by) {
    // release: publishes what was done before, through the other count-downs, to whoever sees zero
    if (count_.compare_exchange_weak(seen, seen - by, std::memory_order_release, std::memory_order_relaxed)) return;
  }
  queue_.wake_all_if([&] {
    // Under the lock, since a waiter that sees zero may destroy the latch. Only a misuse can have changed what was
    // seen. acq_rel: release as above; acquire, since the waiters woken here see the earlier count-downs through us
    auto before = count_.fetch_sub(by, std::memory_order_acq_rel);
    WEFT_CHECK(before >= by, "a latch is counted down by no more than is left", "latch", this);
    return before == by;
  });
}

}  // namespace weft
