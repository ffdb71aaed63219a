#pragma once

#include <atomic>
#include <cstdint>

namespace weft::base {

/// Wakes one thread that has nothing to do. Costs whoever notifies a look at a word while that thread does not wait.
///
///   waiter   prepare_wait(), then look at what it waits for, then wait()
///   others   change what it waits for, then notify()
///
/// Nothing is lost: of the two looks, at the word and at what is waited for, one sees the other's store.
class event_count {
 public:
  /// Waiter: from here on notify() ends the next wait.
  void prepare_wait() noexcept {
    // seq_cst: before the look at what is waited for; pairs with notify()
    word_.store(waited_for, std::memory_order_seq_cst);
  }

  /// Waiter: it need not wait after all.
  void cancel_wait() noexcept {
    // relaxed: a notify() that comes too late wakes nobody
    word_.store(quiet, std::memory_order_relaxed);
  }

  /// Waiter: returns once somebody has called notify() since prepare_wait().
  void wait() noexcept;

  /// Thread: any. Async-signal-safe.
  void notify() noexcept {
    // seq_cst: after the change of what is waited for; pairs with prepare_wait()
    if (word_.load(std::memory_order_seq_cst) == waited_for) wake();
  }

 private:
  static constexpr std::uint32_t quiet = 0, waited_for = 1;

  void wake() noexcept;

  std::atomic<std::uint32_t> word_{quiet};
};

}  // namespace weft::base
