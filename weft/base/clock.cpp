#include <weft/base/check.hpp>
#include <weft/base/clock.hpp>

namespace weft {

std::atomic<virtual_clock*> virtual_clock::active_{nullptr};

virtual_clock::virtual_clock() noexcept : elapsed_{std::chrono::nanoseconds{std::chrono::hours{1}}.count()} {
  virtual_clock* none = nullptr;
  // relaxed: threads that read it are started later, and starting them publishes it
  bool installed = active_.compare_exchange_strong(none, this, std::memory_order_relaxed);
  WEFT_CHECK(installed, "another virtual_clock is installed: destroy it first");
}

virtual_clock::~virtual_clock() {
  // relaxed: threads that read it have been joined
  active_.store(nullptr, std::memory_order_relaxed);
}

void virtual_clock::advance_to(time_point to) noexcept {
  auto target = to.time_since_epoch().count();
  auto seen = elapsed_.load(std::memory_order_relaxed);  // relaxed: only a starting value for the exchange below
  // release: pairs with the acquire in now()
  while (seen < target &&
         !elapsed_.compare_exchange_weak(seen, target, std::memory_order_release, std::memory_order_relaxed)) {}
}

// The two clocks count from unrelated instants: a virtual deadline taken for a real one is long past on a machine that
// has been up for long, and hours ahead on one that has just started.
std::chrono::steady_clock::time_point real_deadline(time_point deadline) noexcept {
  if (deadline == no_deadline || !virtual_clock::active()) return deadline;
  auto present = std::chrono::steady_clock::now();
  auto on_virtual_clock = now();
  if (deadline <= on_virtual_clock) return present;
  auto left = deadline - on_virtual_clock;
  return left > no_deadline - present ? no_deadline : present + left;
}

}  // namespace weft
