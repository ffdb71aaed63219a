#include <mutex>

#include <weft/sync/semaphore.hpp>

namespace weft {

bool semaphore::try_acquire() noexcept {
  std::lock_guard guard{lock_};
  if (permits_ == 0) return false;
  --permits_;
  return true;
}

// Invariant, whenever lock_ is free: permits_ is 0 or nobody who can still be claimed waits.
void semaphore::release(std::size_t permits) noexcept {
  base::intrusive_list<wait_node> claimed;
  {
    std::lock_guard guard{lock_};
    permits_ += permits;
    while (permits_ != 0) {
      auto* node = waiters_.pop_front();
      if (!node) break;
      if (!node->claim()) continue;
      --permits_;
      claimed.push_back(*node);
    }
  }
  while (auto* node = claimed.pop_front()) node->notify();
}

bool semaphore::acquire_operation::arm(wait_node& node) noexcept {
  std::lock_guard guard{target_->lock_};
  if (target_->permits_ != 0) {
    if (!node.claim()) return false;
    --target_->permits_;
    return true;
  }
  target_->waiters_.push_back(node);
  return false;
}

void semaphore::acquire_operation::disarm(wait_node& node) noexcept {
  std::lock_guard guard{target_->lock_};
  if (node.is_linked()) base::intrusive_list<wait_node>::remove(node);
}

}  // namespace weft
