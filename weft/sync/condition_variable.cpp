#include <weft/sync/condition_variable.hpp>

#include <utility>

#include <weft/base/check.hpp>

namespace weft {

condition_variable::~condition_variable() {
  wakers_.dismiss(lock_);
  std::lock_guard guard{lock_};
  WEFT_CHECK(waiters_.empty() && leaving_.empty(),
             "a condition_variable is destroyed when nobody waits for it: join the waiters first", "condition_variable",
             this);
}

void condition_variable::notify_one() noexcept {
  detail::woken_waiters woken;
  std::lock_guard guard{lock_};
  while (auto* waiter = waiters_.pop_front()) {
    if (waiter->pass_to_mutex(woken, detail::condition_wait::notified::alone)) return;
  }
}

void condition_variable::notify_all() noexcept {
  bool begun = false;
  wakers_.run(lock_, [&](detail::woken_waiters& woken) {
    if (!std::exchange(begun, true)) leaving_.append(waiters_);
    for (std::size_t count = 0; count < detail::wakes_in_batch; ++count) {
      auto* waiter = leaving_.pop_front();
      if (!waiter) return true;
      static_cast<void>(waiter->pass_to_mutex(woken, detail::condition_wait::notified::with_all));
    }
    return leaving_.empty();
  });
}

namespace detail {

condition_wait::value_type condition_wait::take() const noexcept {
  mutex_->take_over();
  return {};
}

condition_wait::value_type condition_wait::fail(errc condition) const noexcept {
  mutex_->take_over();
  return failure(condition);
}

void condition_wait::lost() const noexcept {
  mutex_->take_over();
  if (was_notified_alone_) condition_->notify_one();
}

bool condition_wait::arm(wait_node& node) noexcept {
  node_ = &node;
  {
    std::lock_guard guard{condition_->lock_};
    condition_->waiters_.push_back(*this);
  }
  mutex_->unlock();
  return false;
}

bool condition_wait::pass_to_mutex(woken_waiters& woken, notified how) noexcept {
  std::lock_guard guard{mutex_->queue_lock_};
  // Before it is woken, for then it may be gone.
  waits_for_mutex_ = true;
  was_notified_alone_ = how == notified::alone;
  if (mutex_->lock_or_queue(*node_, [&] { return woken.wake(*node_); })) return true;
  // Queued, it counts as notified, even if its wait was cancelled a moment ago.
  if (node_->is_linked()) return true;
  waits_for_mutex_ = was_notified_alone_ = false;
  return false;
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
  return mutex_->lock_or_queue(node, [&] { return node.claim(); });
}

}  // namespace detail
}  // namespace weft
