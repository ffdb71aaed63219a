#pragma once

#include <atomic>

namespace weft::base {

// Store-then-look on both sides (Dekker) needs a full fence on both. Where one side runs billions of times and the
// other a few times a second, the first pays nothing if the second makes every core of the process execute a fence
// instead: Linux's membarrier(). Where the kernel has none, both sides execute an ordinary fence. Source: the kernel's
// membarrier(2); folly's AsymmetricThreadFence has the same two halves.

namespace detail {
/// Written before the first thread that uses a light fence is started.
inline constinit bool heavy_fence_reaches_all_cores = false;
}  // namespace detail

/// Before the first use of either half, by a thread that then starts those who use them.
void prepare_asymmetric_fence() noexcept;

/// The frequent side, between its store and its look.
/// Thread: any.
inline void asymmetric_fence_light() noexcept {
  if (detail::heavy_fence_reaches_all_cores) [[likely]] {
    std::atomic_signal_fence(
        std::memory_order_seq_cst);  // seq_cst: the compiler keeps the order, the heavy side the rest
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: pairs with the same in the heavy half
  }
}

/// The rare side, between its store and its look: some microseconds, and an interruption of every core that runs a
/// thread of the process.
/// Thread: any.
void asymmetric_fence_heavy() noexcept;

}  // namespace weft::base
