#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <weft/sched/detail/runnable.hpp>

namespace weft::sched {

// A first-in, first-out ring with one owner and any number of thieves.
//
//   head_  next to take; moved by a compare-exchange of whoever takes, owner and thieves alike
//   tail_  next free place; the owner's alone
//   ring_  the storage; the owner replaces it by one twice as large when it is full
//
// Slots [head, tail) hold tasks. A slot is written again only when tail - head is less than the capacity, so what a
// taker read from [head, head + n) is still what was there if its exchange of head succeeds. A thief that read head and
// tail before a growth and the old ring after it reads the same tasks: an old ring is never written again and lives as
// long as the queue.

/// A seat's run queue.
/// Thread: push and pop by the owner; steal and size by any.
class run_queue {
 public:
  run_queue() : rings_{} {
    rings_.push_back(std::make_unique<ring>(initial_capacity));
    // relaxed: not shared yet
    ring_.store(rings_.back().get(), std::memory_order_relaxed);
  }

  void push(runnable& task) {
    auto tail = tail_.load(std::memory_order_relaxed);      // relaxed: the owner's own
    auto head = head_.load(std::memory_order_acquire);      // acquire: the taker is done with the slots before head
    auto* storage = ring_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    if (tail - head == storage->capacity) storage = grow(head, tail);
    // relaxed: published by the store to tail_
    storage->at(tail).store(&task, std::memory_order_relaxed);
    // release: publishes the slot and the task; pairs with the acquire of tail_ in steal()
    tail_.store(tail + 1, std::memory_order_release);
  }

  [[nodiscard]] runnable* pop() noexcept {
    auto tail = tail_.load(std::memory_order_relaxed);      // relaxed: the owner's own
    auto* storage = ring_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    auto head = head_.load(std::memory_order_relaxed);      // relaxed: checked by the exchange
    while (head != tail) {
      auto* task = storage->at(head).load(std::memory_order_relaxed);  // relaxed: the owner wrote it
      // release: the slot is free for the owner to write; pairs with the acquire in push(), which is the owner's too.
      // relaxed on failure: nothing was taken.
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_release, std::memory_order_relaxed)) {
        return task;
      }
    }
    return nullptr;
  }

  /// Starts to load a task that is some turns away, when there are so many that they have left the caches.
  void prefetch() const noexcept {
    // relaxed, all: the owner's own, and a hint
    constexpr std::int64_t ahead = 2, many = 48;
    auto head = head_.load(std::memory_order_relaxed);
    if (static_cast<std::int64_t>(tail_.load(std::memory_order_relaxed) - head) < many) return;
    ring_.load(std::memory_order_relaxed)->at(head + ahead).load(std::memory_order_relaxed)->prefetch();
  }

  /// pop() where nobody steals.
  [[nodiscard]] runnable* pop_unshared() noexcept {
    // relaxed, all: the owner's own; the next owner of the seat is ordered after this one
    auto head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_relaxed)) return nullptr;
    auto* task = ring_.load(std::memory_order_relaxed)->at(head).load(std::memory_order_relaxed);
    // release: whoever reads size() elsewhere
    head_.store(head + 1, std::memory_order_release);
    return task;
  }

  /// Takes the older half, `most` at the most, into `into`; returns how many.
  [[nodiscard]] std::size_t steal(runnable** into, std::size_t most) noexcept {
    auto head = head_.load(std::memory_order_acquire);  // acquire: orders the load of tail_ after it
    for (;;) {
      auto tail = tail_.load(std::memory_order_acquire);  // acquire: sees the slots up to tail; pairs with push()
      if (static_cast<std::int64_t>(tail - head) <= 0) return 0;
      auto count = static_cast<std::size_t>(tail - head + 1) / 2;
      if (count > most) count = most;
      auto* storage = ring_.load(std::memory_order_acquire);  // acquire: after tail_, so at least as new a ring
      for (std::size_t i = 0; i < count; ++i) {
        into[i] = storage->at(head + i).load(std::memory_order_relaxed);  // relaxed: published by tail_
      }
      // acq_rel: release as in pop(); acquire for the next round's loads. acquire on failure: as for the first load.
      if (head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return count;
      }
    }
  }

  /// How many tasks there were at some moment during the call.
  [[nodiscard]] std::size_t size() const noexcept {
    // acquire: used after a fence by a seat that is about to sleep, and as a hint elsewhere
    auto head = head_.load(std::memory_order_acquire);
    auto tail = tail_.load(std::memory_order_acquire);
    auto count = static_cast<std::int64_t>(tail - head);
    return count > 0 ? static_cast<std::size_t>(count) : 0;
  }

 private:
  static constexpr std::size_t initial_capacity = 256;

  struct ring {
    explicit ring(std::size_t slots) : capacity{slots}, tasks{std::make_unique<std::atomic<runnable*>[]>(slots)} {}
    std::atomic<runnable*>& at(std::uint64_t index) noexcept { return tasks[index & (capacity - 1)]; }
    std::size_t capacity;  // a power of two
    std::unique_ptr<std::atomic<runnable*>[]> tasks;
  };

  ring* grow(std::uint64_t head, std::uint64_t tail) {
    auto& old = *rings_.back();
    auto& next = *rings_.emplace_back(std::make_unique<ring>(old.capacity * 2));
    for (auto i = head; i != tail; ++i) {
      // relaxed: the owner's own slots; published by the store to ring_
      next.at(i).store(old.at(i).load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    // release: publishes the copied slots; pairs with the acquire of ring_ in steal()
    ring_.store(&next, std::memory_order_release);
    return &next;
  }

  alignas(64) std::atomic<std::uint64_t> head_{0};
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  std::atomic<ring*> ring_{nullptr};
  std::vector<std::unique_ptr<ring>> rings_;  // the owner's; old ones stay for thieves that still read them
};

}  // namespace weft::sched
