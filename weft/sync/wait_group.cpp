#include <weft/sync/wait_group.hpp>

#include <limits>

#include <weft/base/check.hpp>

namespace weft {

void wait_group::add(std::size_t count) noexcept {
  // relaxed: nothing to publish; the done() that takes off what is added here comes after it
  auto before = count_.fetch_add(count, std::memory_order_relaxed);
  WEFT_CHECK(before <= std::numeric_limits<std::size_t>::max() - count, "a wait_group was added more than it can count",
             "wait_group", this);
}

void wait_group::done() noexcept {
  // relaxed: checked by the exchange
  auto seen = count_.load(std::memory_order_relaxed);
  while (seen > 1) {
    // release: publishes what was done before, through the other done(), to whoever sees none
    if (count_.compare_exchange_weak(seen, seen - 1, std::memory_order_release, std::memory_order_relaxed)) return;
  }
  queue_.wake_all_if([&] {
    // Under the lock, since a waiter that sees none may destroy the wait_group.
    // acq_rel: release as above; acquire, since the waiters woken here see the earlier done() through us
    auto before = count_.fetch_sub(1, std::memory_order_acq_rel);
    WEFT_CHECK(before != 0, "a wait_group's done() is called once for each that was added", "wait_group", this);
    return before == 1;
  });
}

}  // namespace weft
