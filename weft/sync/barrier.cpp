#include <weft/sync/barrier.hpp>

namespace weft::detail {

barrier_base::arrival barrier_base::arrive_one(drops how) noexcept {
  return queue_.locked([&] {
    WEFT_CHECK(missing_ != 0, "no more arrive at a barrier in a phase than it expects", what, this);
    if (how == drops::yes) --expected_;
    // relaxed: written under the lock, which orders the arrivals as well
    return arrival{phase_.load(std::memory_order_relaxed), --missing_ == 0};
  });
}

void barrier_base::end_phase() noexcept {
  queue_.wake_all_if([this] {
    missing_ = expected_;
    // release: publishes what was done before each arrival, seen through the lock, to is_open(). relaxed: as above
    phase_.store(phase_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    return true;
  });
}

}  // namespace weft::detail
