#pragma once

#include <atomic>

namespace weft::base {

/// Tells the processor that the calling OS thread waits for another core's store.
inline void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

/// A lock of one byte for sections of a few instructions that never wait and run no user code. Spins a little, then
/// gives the processor away between tries, since the holder may have lost its own.
/// Thread: any. Meets BasicLockable, for std::lock_guard.
class spin_lock {
 public:
  void lock() noexcept {
    // acquire: sees what the last holder did; pairs with the release in unlock()
    if (locked_.exchange(true, std::memory_order_acquire)) lock_contended();
  }

  [[nodiscard]] bool try_lock() noexcept {
    // acquire: as in lock()
    return !locked_.exchange(true, std::memory_order_acquire);
  }

  void unlock() noexcept {
    // release: publishes the section to the next holder
    locked_.store(false, std::memory_order_release);
  }

 private:
  void lock_contended() noexcept;

  std::atomic<bool> locked_{false};
};

}  // namespace weft::base
