#pragma once

#include <weft/base/intrusive_list.hpp>
#include <weft/sched/runnable.hpp>

namespace weft::detail {

/// Waiters that wait on one object, the oldest first.
/// Thread: under the object's lock, which is the last thing of the object that a waker touches: whoever destroys the
/// object takes the lock once more before, and so waits until the waker is gone.
using wait_list = base::intrusive_list<sched::wait_node>;

/// Waiters that were claimed and delivered to under an object's lock, told so after it. Lives in the waker's frame.
class claimed_waiters {
 public:
  claimed_waiters() = default;
  ~claimed_waiters() {
    // The node is gone once it is notified: taken out before.
    while (auto* node = nodes_.pop_front()) node->notify();
  }
  claimed_waiters(const claimed_waiters&) = delete;
  claimed_waiters& operator=(const claimed_waiters&) = delete;

  void add(sched::wait_node& node) noexcept { nodes_.push_back(node); }

 private:
  wait_list nodes_;
};

/// Takes `node` out of the list it is in, if it is in one. Under the object's lock.
inline void unlink(sched::wait_node& node) noexcept {
  if (node.is_linked()) wait_list::remove(node);
}

/// Takes out and claims the oldest waiter that nobody else has claimed; null when there is none. Under the object's
/// lock.
[[nodiscard]] inline sched::wait_node* claim_first(wait_list& waiters) noexcept {
  while (auto* node = waiters.pop_front()) {
    if (node->claim()) return node;
  }
  return nullptr;
}

/// Takes out and claims all of them. Under the object's lock.
inline void claim_all(wait_list& waiters, claimed_waiters& claimed) noexcept {
  while (auto* node = claim_first(waiters)) claimed.add(*node);
}

}  // namespace weft::detail
