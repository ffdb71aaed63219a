#pragma once

#include <atomic>
#include <cstdint>

namespace weft::base {

/// Wakes one thread that has nothing to do. Costs whoever rings a look at a word while that thread does not wait.
///
///   waiter   prepare(), then look at what it waits for, then wait()
///   others   change what it waits for, then ring()
///
/// Nothing is lost: of the two looks, at the word and at what is waited for, one sees the other's store.
class bell {
 public:
  /// Waiter: from here on ring() ends the next wait.
  void prepare() noexcept {
    // seq_cst: before the look at what is waited for; pairs with ring()
    word_.store(waited_for, std::memory_order_seq_cst);
  }

  /// Waiter: it need not wait after all.
  void forget() noexcept {
    // relaxed: a ring() that comes too late wakes nobody
    word_.store(quiet, std::memory_order_relaxed);
  }

  /// Waiter: returns once somebody has rung since prepare().
  void wait() noexcept;

  /// Thread: any. Async-signal-safe.
  void ring() noexcept {
    // seq_cst: after the change of what is waited for; pairs with prepare()
    if (word_.load(std::memory_order_seq_cst) == waited_for) wake();
  }

 private:
  static constexpr std::uint32_t quiet = 0, waited_for = 1;

  void wake() noexcept;

  std::atomic<std::uint32_t> word_{quiet};
};

}  // namespace weft::base
