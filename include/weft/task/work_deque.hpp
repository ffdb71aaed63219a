#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <weft/base/asymmetric_fence.hpp>

namespace weft::detail {

// The work-stealing deque of Chase and Lev, "Dynamic Circular Work-Stealing Deque", 2005, as sched has one for its
// tasks, with two differences that make a fork cheap:
//
// * Between lowering newest_ and looking at oldest_ the owner executes no fence: the thief, which is rare, executes one
//   on every core instead (asymmetric_fence.hpp). If the owner's store comes before it, the thief sees the entry gone;
//   if not, the owner's look comes after it and sees what the thief has seen of oldest_.
// * The owner looks at one word after each push. It says where the ring is full, and anybody may set it to 0 to have
//   the owner ask why: there are workers that sleep.
//
// After a push there is always room for one more.

/// Pointers to T: the newest for the owner, the oldest for thieves.
/// Thread: push, grow and take_back by the owner; the others by any.
template <class T>
class work_deque {
 public:
  work_deque() {
    rings_.push_back(std::make_unique<ring>(initial_capacity));
    adopt(*rings_.back());
  }

  /// Where the next entry will lie. Where as many have been taken back as were pushed, it is where the last one lay.
  [[nodiscard]] std::int64_t end() const noexcept {
    return newest_.load(std::memory_order_relaxed);  // relaxed: the owner's own
  }

  /// Adds at end(). True when the owner has to call grow() before it pushes again.
  [[nodiscard]] bool push(T& entry, std::int64_t newest) noexcept {
    // relaxed: published by the next line
    slots_[static_cast<std::size_t>(newest) & mask_].store(&entry, std::memory_order_relaxed);
    // release: publishes the slot and what the entry is; pairs with the acquire in take_oldest()
    newest_.store(newest + 1, std::memory_order_release);
    base::asymmetric_fence_light();  // before the look at attention_: a worker that goes to sleep looks the other way
    // relaxed: ordered by the fence
    return newest + 1 >= attention_.load(std::memory_order_relaxed);
  }

  /// Makes room for one more entry. Afterwards whoever called for attention before is seen.
  void grow() {
    auto newest = newest_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    auto oldest = oldest_.load(std::memory_order_acquire);  // acquire: the taker is done with the slots before
    auto* storage = ring_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    if (newest - oldest + 1 >= storage->capacity()) storage = copy_to_larger(oldest, newest);
    // seq_cst: before the look at who sleeps; pairs with call_for_attention()
    attention_.exchange(oldest + storage->capacity() - 1, std::memory_order_seq_cst);
  }

  /// The next push says that grow() is needed.
  void call_for_attention() noexcept {
    // seq_cst: after the caller has said why, before it looks at the entries; pairs with grow()
    attention_.store(0, std::memory_order_seq_cst);
  }

  /// Takes the newest out, which was pushed at `newest`. False: thieves have taken all.
  [[nodiscard]] bool take_back(std::int64_t newest) noexcept {
    newest_.store(newest, std::memory_order_relaxed);       // relaxed: ordered by the fence
    base::asymmetric_fence_light();                         // lowered before, the look after; see the top
    auto oldest = oldest_.load(std::memory_order_relaxed);  // relaxed: ordered by the fence
    if (oldest < newest) [[likely]]
      return true;
    return take_last_back(oldest, newest);
  }

  /// The oldest; null when there is none or another was faster. A heavy fence where there seems to be one.
  [[nodiscard]] T* take_oldest() noexcept {
    if (empty()) return nullptr;
    auto oldest = oldest_.load(std::memory_order_acquire);  // acquire: orders what follows after it
    base::asymmetric_fence_heavy();                         // see the top
    auto newest = newest_.load(std::memory_order_acquire);  // acquire: sees the slot and the entry; pairs with push()
    if (oldest >= newest) return nullptr;
    auto* storage = ring_.load(std::memory_order_acquire);              // acquire: pairs with copy_to_larger()
    auto* entry = storage->at(oldest).load(std::memory_order_relaxed);  // relaxed: published by newest_
    // seq_cst: in one order with take_last_back(). relaxed on failure: nothing was taken
    if (!oldest_.compare_exchange_strong(oldest, oldest + 1, std::memory_order_seq_cst, std::memory_order_relaxed)) {
      return nullptr;
    }
    return entry;
  }

  /// Whether there was no entry at some moment during the call.
  [[nodiscard]] bool empty() const noexcept {
    // acquire: looked at by a worker that is about to sleep, after a fence, and as a hint elsewhere
    auto oldest = oldest_.load(std::memory_order_acquire);
    return oldest >= newest_.load(std::memory_order_acquire);  // acquire: as above
  }

 private:
  static constexpr std::size_t initial_capacity = 256;

  class ring {
   public:
    explicit ring(std::size_t slots) : mask_{slots - 1}, slots_{std::make_unique<std::atomic<T*>[]>(slots)} {}
    [[nodiscard]] std::atomic<T*>& at(std::int64_t index) noexcept {
      return slots_[static_cast<std::size_t>(index) & mask_];
    }
    [[nodiscard]] std::int64_t capacity() const noexcept { return static_cast<std::int64_t>(mask_ + 1); }

   private:
    std::size_t mask_;  // one less than a power of two
    std::unique_ptr<std::atomic<T*>[]> slots_;
  };

  [[nodiscard, gnu::noinline]] bool take_last_back(std::int64_t oldest, std::int64_t newest) noexcept {
    // seq_cst: in one order with the thieves' exchanges. relaxed on failure: a thief has it
    bool taken = oldest == newest && oldest_.compare_exchange_strong(oldest, oldest + 1, std::memory_order_seq_cst,
                                                                     std::memory_order_relaxed);
    newest_.store(std::max(newest + 1, oldest), std::memory_order_relaxed);  // relaxed: empty; publishes nothing
    return taken;
  }

  /// The owner goes on in `next`.
  void adopt(ring& next) noexcept {
    slots_ = &next.at(0);
    mask_ = static_cast<std::size_t>(next.capacity() - 1);
    // release: publishes what is in the slots; pairs with the acquire of ring_ in take_oldest()
    ring_.store(&next, std::memory_order_release);
  }

  [[nodiscard]] ring* copy_to_larger(std::int64_t oldest, std::int64_t newest) {
    auto& old = *rings_.back();
    auto& next = *rings_.emplace_back(std::make_unique<ring>(static_cast<std::size_t>(old.capacity()) * 2));
    for (auto i = oldest; i != newest; ++i) {
      // relaxed: the owner's own slots; published by the store to ring_
      next.at(i).store(old.at(i).load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    adopt(next);
    return &next;
  }

  // The owner's line, and the thieves'.
  alignas(64) std::atomic<std::int64_t> newest_{0};
  std::atomic<std::int64_t> attention_{0};
  std::atomic<T*>* slots_ = nullptr;  // of ring_
  std::size_t mask_ = 0;
  std::atomic<ring*> ring_{nullptr};
  std::vector<std::unique_ptr<ring>> rings_;  // the owner's; old ones stay for thieves that still read them
  alignas(64) std::atomic<std::int64_t> oldest_{0};
};

}  // namespace weft::detail
