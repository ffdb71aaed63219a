#include <weft/base/spin_lock.hpp>

#include <thread>

namespace weft::base {

void spin_lock::lock_contended() noexcept {
  constexpr int spins_before_yield = 64;
  for (int spins = 0;; ++spins) {
    // relaxed: only a hint that the exchange may succeed; reading keeps the line shared meanwhile
    if (!locked_.load(std::memory_order_relaxed)) {
      // acquire: as in lock()
      if (!locked_.exchange(true, std::memory_order_acquire)) return;
    }
    if (spins < spins_before_yield) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace weft::base
