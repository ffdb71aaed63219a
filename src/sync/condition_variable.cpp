#include <weft/sync/condition_variable.hpp>

#include <weft/base/check.hpp>

namespace weft {

condition_variable::~condition_variable() {
  std::lock_guard guard{lock_};  // the last waker is gone
  WEFT_CHECK(waiters_.empty(), "a condition_variable is destroyed when nobody waits for it: join the waiters first");
}

void condition_variable::notify_one() noexcept {
  detail::claimed_waiters claimed;  // told after the lock was let go
  std::lock_guard guard{lock_};
  while (auto* waiter = waiters_.pop_front()) {
    if (waiter->pass_to_mutex(claimed)) return;
  }
}

void condition_variable::notify_all() noexcept {
  detail::claimed_waiters claimed;  // told after the lock was let go
  std::lock_guard guard{lock_};
  while (auto* waiter = waiters_.pop_front()) static_cast<void>(waiter->pass_to_mutex(claimed));
}

namespace detail {

bool condition_wait::arm(wait_node& node) noexcept {
  node_ = &node;
  {
    std::lock_guard guard{condition_->lock_};
    condition_->waiters_.push_back(*this);
  }
  mutex_->unlock();
  return false;
}

bool condition_wait::pass_to_mutex(claimed_waiters& claimed) noexcept {
  bool has_mutex = false;
  {
    std::lock_guard guard{mutex_->queue_lock_};
    has_mutex = mutex_->lock_or_queue(*node_);
    // Queued, it counts as notified, even if its wait was cancelled a moment ago.
    if (!has_mutex && !node_->is_linked()) return false;
  }
  waits_for_mutex_ = true;
  if (has_mutex) claimed.add(*node_);
  return true;
}

bool condition_wait::request_cancel(wait_node& node, std::uint64_t epoch) noexcept {
  std::lock_guard condition_guard{condition_->lock_};
  if (!waits_for_mutex_) {
    interrupted_ = true;
    if (is_linked()) base::intrusive_list<condition_wait>::remove(*this);
  }
  std::lock_guard mutex_guard{mutex_->queue_lock_};
  node.epoch = epoch;
  // A notified waiter keeps its place in the mutex's queue, unless unlock() has found it cancelled and passed it over.
  if (node.is_linked()) return false;
  return mutex_->lock_or_queue(node);
}

}  // namespace detail
}  // namespace weft
