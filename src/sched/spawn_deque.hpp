#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <weft/sched/runnable.hpp>

namespace weft::sched {

// The work-stealing deque of Chase and Lev, "Dynamic Circular Work-Stealing Deque", 2005, with the memory orders of Lê,
// Pop, Cohen and Zappa Nardelli, "Correct and Efficient Work-Stealing for Weak Memory Models", 2013.
//
//   oldest_   next to be taken from the old end, by anybody; moved by a compare-exchange
//   newest_   one past the newest; the owner's alone
//   ring_     the storage; the owner replaces it by one twice as large when it is full
//
// The owner takes from the new end without an exchange unless it meets the last one, for which it competes with the
// thieves. It first lowers newest_ and then looks at oldest_; a thief first reads oldest_ and then looks at newest_.
// The sequentially consistent fences between see to it that not both miss the other. Old rings are never written again
// and live as long as the deque.

/// Tasks that have not run yet: the newest first for their seat, the oldest first for everybody else.
/// Thread: push and pop by the owner; take_oldest and size by any.
class spawn_deque {
 public:
  spawn_deque() {
    rings_.push_back(std::make_unique<ring>(initial_capacity));
    // relaxed: not shared yet
    ring_.store(rings_.back().get(), std::memory_order_relaxed);
  }

  void push(runnable& task) {
    auto newest = newest_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    auto oldest = oldest_.load(std::memory_order_acquire);  // acquire: the taker is done with the slots before
    auto* storage = ring_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    if (newest - oldest >= static_cast<std::int64_t>(storage->capacity)) storage = grow(oldest, newest);
    storage->at(newest).store(&task, std::memory_order_relaxed);  // relaxed: published by the next line
    // release: publishes the slot and the task; pairs with the acquire in take_oldest()
    newest_.store(newest + 1, std::memory_order_release);
  }

  /// The newest. `shared` is whether there are thieves.
  [[nodiscard]] runnable* pop(bool shared) noexcept {
    auto newest = newest_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    // relaxed: a lower bound, and only the owner makes it non-empty
    if (oldest_.load(std::memory_order_relaxed) == newest) return nullptr;
    --newest;
    auto* storage = ring_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    newest_.store(newest, std::memory_order_relaxed);       // relaxed: ordered by the fence
    // seq_cst: lowered before, the look after; see the top
    if (shared) std::atomic_thread_fence(std::memory_order_seq_cst);
    auto oldest = oldest_.load(std::memory_order_relaxed);                            // relaxed: ordered by the fence
    if (oldest < newest) return storage->at(newest).load(std::memory_order_relaxed);  // relaxed: the owner wrote it
    runnable* last = nullptr;
    if (oldest == newest) {
      last = storage->at(newest).load(std::memory_order_relaxed);  // relaxed: as above
      // seq_cst: in one order with the thieves' exchanges. relaxed on failure: a thief has it
      if (!oldest_.compare_exchange_strong(oldest, oldest + 1, std::memory_order_seq_cst, std::memory_order_relaxed)) {
        last = nullptr;
      }
    }
    newest_.store(newest + 1, std::memory_order_relaxed);  // relaxed: empty; publishes nothing
    return last;
  }

  /// The oldest; null when there is none or another was faster.
  [[nodiscard]] runnable* take_oldest() noexcept {
    auto oldest = oldest_.load(std::memory_order_acquire);  // acquire: orders what follows after it
    std::atomic_thread_fence(std::memory_order_seq_cst);    // seq_cst: see the top
    auto newest = newest_.load(std::memory_order_acquire);  // acquire: sees the slot and the task; pairs with push()
    if (oldest >= newest) return nullptr;
    auto* storage = ring_.load(std::memory_order_acquire);             // acquire: pairs with grow()
    auto* task = storage->at(oldest).load(std::memory_order_relaxed);  // relaxed: published by newest_
    // seq_cst: as in pop(). relaxed on failure: nothing was taken
    if (!oldest_.compare_exchange_strong(oldest, oldest + 1, std::memory_order_seq_cst, std::memory_order_relaxed)) {
      return nullptr;
    }
    return task;
  }

  /// How many tasks there were at some moment during the call.
  [[nodiscard]] std::size_t size() const noexcept {
    // acquire: used after a fence by a seat that is about to sleep, and as a hint elsewhere
    auto oldest = oldest_.load(std::memory_order_acquire);
    auto newest = newest_.load(std::memory_order_acquire);
    return newest > oldest ? static_cast<std::size_t>(newest - oldest) : 0;
  }

 private:
  static constexpr std::size_t initial_capacity = 256;

  struct ring {
    explicit ring(std::size_t slots) : capacity{slots}, tasks{std::make_unique<std::atomic<runnable*>[]>(slots)} {}
    std::atomic<runnable*>& at(std::int64_t index) noexcept {
      return tasks[static_cast<std::size_t>(index) & (capacity - 1)];
    }
    std::size_t capacity;  // a power of two
    std::unique_ptr<std::atomic<runnable*>[]> tasks;
  };

  ring* grow(std::int64_t oldest, std::int64_t newest) {
    auto& old = *rings_.back();
    auto& next = *rings_.emplace_back(std::make_unique<ring>(old.capacity * 2));
    for (auto i = oldest; i != newest; ++i) {
      // relaxed: the owner's own slots; published by the store to ring_
      next.at(i).store(old.at(i).load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    // release: publishes the copied slots; pairs with the acquire of ring_ in take_oldest()
    ring_.store(&next, std::memory_order_release);
    return &next;
  }

  alignas(64) std::atomic<std::int64_t> oldest_{0};
  alignas(64) std::atomic<std::int64_t> newest_{0};
  std::atomic<ring*> ring_{nullptr};
  std::vector<std::unique_ptr<ring>> rings_;  // the owner's; old ones stay for thieves that still read them
};

}  // namespace weft::sched
