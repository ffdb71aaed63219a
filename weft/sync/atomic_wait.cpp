#include <weft/sync/atomic_wait.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft::detail {

/// The waiters on all variables whose addresses fall here.
class alignas(64) atomic_waiters {
 public:
  [[nodiscard]] static atomic_waiters& of(const void* variable) noexcept {
    // Never destroyed: OS threads may notify while the program ends.
    static auto& table = *new std::array<atomic_waiters, 256>;
    // Fibonacci hashing: the low bits of addresses are alike.
    return table[(reinterpret_cast<std::uintptr_t>(variable) * std::uint64_t{0x9e3779b97f4a7c15}) >> 56];
  }

  bool arm(atomic_wait_base& waiter, wait_node& node) noexcept {
    std::lock_guard guard{lock_};
    if (waiter.has_changed_(waiter)) return node.claim();
    waiter.node_ = &node;
    waiters_.push_back(waiter);
    return false;
  }

  void disarm(atomic_wait_base& waiter) noexcept {
    std::lock_guard guard{lock_};
    if (waiter.is_linked()) base::intrusive_list<atomic_wait_base>::remove(waiter);
  }

  /// Wakes up to `most` that wait for the variable, the oldest first. True when that were all.
  bool notify(const void* variable, std::size_t most) noexcept {
    woken_waiters woken;
    std::lock_guard guard{lock_};
    for (auto* each = waiters_.front(); each != nullptr;) {
      auto& waiter = *each;
      each = waiters_.next(waiter);
      if (waiter.variable_ != variable) continue;
      if (most == 0) return false;
      auto& node = *waiter.node_;
      base::intrusive_list<atomic_wait_base>::remove(waiter);
      if (woken.wake(node)) --most;
    }
    return true;
  }

 private:
  base::spin_lock lock_;  // guards waiters_
  base::intrusive_list<atomic_wait_base> waiters_;
};

bool atomic_wait_base::arm(wait_node& node) noexcept { return atomic_waiters::of(variable_).arm(*this, node); }

void atomic_wait_base::disarm(wait_node& node) noexcept {
  if (!node.ended_the_wait()) atomic_waiters::of(variable_).disarm(*this);
}

void notify_waiters(const void* variable, notified who) noexcept {
  auto& waiters = atomic_waiters::of(variable);
  if (who == notified::one) {
    waiters.notify(variable, 1);
    return;
  }
  // Those that begin to wait meanwhile are let go, too: they look at the variable and wait anew.
  while (!waiters.notify(variable, wakes_in_batch)) let_others_run();
}

}  // namespace weft::detail
