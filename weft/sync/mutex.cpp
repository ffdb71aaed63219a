#include <weft/sync/mutex.hpp>

#include <mutex>

#include <weft/base/check.hpp>

namespace weft {

mutex::~mutex() {
  std::lock_guard guard{queue_lock_};  // whoever handed it over is done with it
  // relaxed: nobody else uses it any more
  WEFT_CHECK(state_.load(std::memory_order_relaxed) == free, "unlock a mutex before it is destroyed", "mutex", this);
}

void mutex::lock_contended() {
  WEFT_CHECK(holder() != &detail::current_task(), "a mutex is not recursive: this task holds it already", "mutex",
             this);
  detail::wait_uncancelled(async_lock(), "mutex::lock()");
}

bool mutex::arm(wait_node& node) noexcept {
  std::lock_guard guard{queue_lock_};
  return lock_or_queue(node, [&] { return node.claim(); });
}

void mutex::disarm(wait_node& node) noexcept {
  if (node.ended_the_wait()) return;  // taken out by whoever ended it
  std::lock_guard guard{queue_lock_};
  detail::unlink(node);
  // The state stays contended; the holder's hand_over() finds nobody and frees it.
}

void mutex::take_over() noexcept {
  auto own = word_of(detail::current_task());
  // relaxed: the holder is the caller or whom it waited as, and only `contended` may change meanwhile
  auto seen = state_.load(std::memory_order_relaxed);
  if ((seen & ~contended) == own) return;
  // relaxed: nothing is published but the name of the holder
  state_.fetch_xor((seen & ~contended) ^ own, std::memory_order_relaxed);
}

void mutex::describe(detail::wait_description& into) const {
  // Whoever acts on it looks again.
  const auto* by = holder();
  if (!by) return into.add(wait_kind::lock, "mutex", this);
  into.add_known(wait_kind::lock, "mutex", this, {by});
}

void mutex::unlock_contended(const sched::runnable& self, std::uintptr_t seen) noexcept {
  WEFT_CHECK(seen != free, "unlock a mutex only while you hold it: nobody holds it", "mutex", this);
  WEFT_CHECK(task_of(seen) == &self, "unlock a mutex only while you hold it: another task does", "mutex", this);
  hand_over();
}

void mutex::hand_over() noexcept {
  detail::woken_waiters woken;
  std::lock_guard guard{queue_lock_};
  while (auto* next = waiters_.pop_front()) {
    // Before it is told, for it may run at once. relaxed: the next holder is published to by the decision
    state_.store(word_of(*next->task) | (waiters_.empty() ? 0 : contended), std::memory_order_relaxed);
    if (woken.wake(*next)) return;
  }
  state_.store(free, std::memory_order_release);  // release: as in unlock
}

}  // namespace weft
