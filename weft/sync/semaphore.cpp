#include <weft/sync/semaphore.hpp>

#include <mutex>

#include <weft/base/check.hpp>

namespace weft {

semaphore::semaphore(std::size_t permits) : word_{permits * one_permit} {
  WEFT_CHECK(permits <= max, "a semaphore holds at most semaphore::max permits", "semaphore", this);
}

semaphore::~semaphore() {
  std::lock_guard guard{lock_};  // the last waker is gone
  WEFT_CHECK(waiters_.empty(), "a semaphore is destroyed when nobody waits for it: join the waiters first", "semaphore",
             this);
}

bool semaphore::try_acquire(std::size_t permits) noexcept {
  WEFT_CHECK(permits <= max, "a semaphore holds at most semaphore::max permits", "semaphore", this);
  // relaxed: checked by the exchange
  auto seen = word_.load(std::memory_order_relaxed);
  do {
    if ((seen & waiting_bit) || seen / one_permit < permits) return false;
    // acquire: sees what was done before the release() that gave the permits
  } while (!word_.compare_exchange_weak(seen, seen - permits * one_permit, std::memory_order_acquire,
                                        std::memory_order_relaxed));
  return true;
}

void semaphore::release(std::size_t permits) noexcept {
  constexpr auto advice = "more permits were released than a semaphore can hold";
  WEFT_CHECK(permits <= max, advice, "semaphore", this);
  // relaxed: checked by the exchange
  auto seen = word_.load(std::memory_order_relaxed);
  while (!(seen & waiting_bit)) {
    WEFT_CHECK(seen / one_permit + permits <= max, advice, "semaphore", this);
    // release: publishes what was done before, to try_acquire() and acquire_or_wait()
    if (word_.compare_exchange_weak(seen, seen + permits * one_permit, std::memory_order_release,
                                    std::memory_order_relaxed)) {
      return;
    }
  }
  detail::woken_waiters woken;
  std::lock_guard guard{lock_};
  // release: as above, to those who will find the permits free. The waiters served here learn it from notify().
  auto before = word_.fetch_add(permits * one_permit, std::memory_order_release);
  WEFT_CHECK(before / one_permit + permits <= max, advice, "semaphore", this);
  if (before & waiting_bit) serve(woken);
}

std::size_t semaphore::available() const noexcept {
  // relaxed: only a number
  return word_.load(std::memory_order_relaxed) / one_permit;
}

void semaphore::serve(detail::woken_waiters& woken) noexcept {
  // relaxed: under lock_, which with waiting_bit set orders all changes
  auto free = word_.load(std::memory_order_relaxed) / one_permit;
  while (auto* waiter = waiters_.front()) {
    if (waiter->permits_ > free) break;
    base::intrusive_list<detail::acquire_operation>::remove(*waiter);
    auto permits = waiter->permits_;  // it may be gone once it is woken
    if (woken.wake(*waiter->node_)) free -= permits;
  }
  // release: when the bit goes, passes on what release() published, to try_acquire()
  word_.store(free * one_permit + (waiters_.empty() ? 0 : waiting_bit), std::memory_order_release);
}

bool semaphore::acquire_or_wait(detail::acquire_operation& operation, wait_node& node) noexcept {
  operation.node_ = &node;
  std::lock_guard guard{lock_};
  // acquire: the permits may be there by now, then as in try_acquire(). From here on only our lock changes the word.
  auto before = word_.fetch_or(waiting_bit, std::memory_order_acquire);
  if (!waiters_.empty() || before / one_permit < operation.permits_) {
    WEFT_CHECK(!operation.is_linked(), "an operation of it waits already, for somebody else", "semaphore", this);
    waiters_.push_back(operation);
    return false;
  }
  auto is_ours = node.claim();
  // relaxed: nothing new to publish; what release() published stays readable, since a release sequence goes through
  // read-modify-writes and this is one
  word_.fetch_sub((is_ours ? operation.permits_ * one_permit : 0) + waiting_bit, std::memory_order_relaxed);
  return is_ours;
}

void semaphore::stop_waiting(detail::acquire_operation& operation) noexcept {
  detail::woken_waiters woken;
  std::lock_guard guard{lock_};
  if (!operation.is_linked()) return;
  base::intrusive_list<detail::acquire_operation>::remove(operation);
  serve(woken);  // a large request that gave up may have been all that held up smaller ones
}

}  // namespace weft
