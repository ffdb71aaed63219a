#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <weft/base/containers.hpp>
#include <weft/base/detail/asymmetric_fence.hpp>

namespace weft::base {

// The work-stealing deque of Chase and Lev, "Dynamic Circular Work-Stealing Deque", 2005, with the memory orders of Lê,
// Pop, Cohen and Zappa Nardelli, "Correct and Efficient Work-Stealing for Weak Memory Models", 2013.
//
//   oldest_     next to be taken from the old end, by anybody; moved by a compare-exchange
//   newest_     one past the newest; the owner's alone
//   ring_       the storage; the owner replaces it by one twice as large when it is full
//   attention_  where the ring is full
//
// The owner takes from the new end without an exchange unless it meets the last one, for which it competes with the
// thieves. It first lowers newest_ and then looks at oldest_; a thief first reads oldest_ and then looks at newest_.
// The fences between see to it that not both miss the other. Old rings are never written again and live as long as the
// deque.
//
// Where thefts are rare, the owner executes no fence: the thief executes one on every core instead
// (asymmetric_fence.hpp). If the owner's store comes before it, the thief sees the entry gone; if not, the owner's look
// comes after it and sees what the thief has seen of oldest_.
//
// The owner looks at one word after each push, attention_, which anybody may set to 0 to have the owner ask why: there
// are workers that sleep. After a push there is always room for one more.

/// Who pays for the order between the owner and the thieves.
enum class thefts : bool {
  frequent,  ///< owner and thief execute a fence
  rare       ///< the thief has all cores execute one: some microseconds; the owner pays nothing
};

/// Pointers to T: the newest for the owner, the oldest for thieves.
/// Thread: push, grow, pop and take_back by the owner; the others by any.
template <class T, thefts Thefts>
class work_deque {
 public:
  work_deque() {
    rings_.push_back(std::make_unique<ring>(initial_capacity));
    set_ring(*rings_.back());
  }

  /// Where the next entry will lie: behind the newest. While an entry is in, and as many have been taken back as were
  /// pushed after it, that is right behind it.
  [[nodiscard]] std::int64_t end() const noexcept {
    return newest_.load(std::memory_order_relaxed);  // relaxed: the owner's own
  }

  /// Adds at end(). True when the owner has to call grow() before it pushes again.
  [[nodiscard]] bool push(T& entry, std::int64_t newest) noexcept {
    publish(entry, newest);
    // Before the look at attention_: a worker that goes to sleep looks the other way.
    if constexpr (Thefts == thefts::rare) asymmetric_fence_light();
    return is_full(newest + 1);
  }

  /// Adds, and grows before where it has to.
  void push(T& entry) {
    if (is_full(end())) [[unlikely]]
      grow();
    publish(entry, end());
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
    auto oldest = lower_to<against_thieves>(newest);
    if (oldest < newest) [[likely]]
      return true;
    return take_last_back_apart(oldest, newest);
  }

  /// Takes the newest out; null when there is none.
  [[nodiscard]] T* pop() noexcept { return take_newest<against_thieves>(); }
  /// pop() where nobody steals.
  [[nodiscard]] T* pop_unshared() noexcept { return take_newest<without_thieves>(); }

  /// The oldest; null when there is none or another was faster. A heavy fence where there seems to be one and thefts
  /// are rare.
  [[nodiscard]] T* take_oldest() noexcept {
    if (empty()) return nullptr;
    auto oldest = oldest_.load(std::memory_order_acquire);  // acquire: orders what follows after it
    if constexpr (Thefts == thefts::rare) {
      asymmetric_fence_heavy();  // see the top
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: see the top
    }
    // acquire: sees the slot and the entry; pairs with publish()
    auto newest = newest_.load(std::memory_order_acquire);
    if (oldest >= newest) return nullptr;
    auto* storage = ring_.load(std::memory_order_acquire);              // acquire: pairs with set_ring()
    auto* entry = storage->at(oldest).load(std::memory_order_relaxed);  // relaxed: published by newest_
    // seq_cst: in one order with take_last_back(). relaxed on failure: nothing was taken
    if (!oldest_.compare_exchange_strong(oldest, oldest + 1, std::memory_order_seq_cst, std::memory_order_relaxed)) {
      return nullptr;
    }
    return entry;
  }

  /// How many entries there were at some moment during the call.
  [[nodiscard]] std::size_t size() const noexcept {
    // acquire: used after a fence by who is about to sleep, and as a hint elsewhere
    auto oldest = oldest_.load(std::memory_order_acquire);
    auto newest = newest_.load(std::memory_order_acquire);  // acquire: as above
    return newest > oldest ? static_cast<std::size_t>(newest - oldest) : 0;
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

 private:
  static constexpr std::size_t initial_capacity = 256;

  static void against_thieves() noexcept {
    if constexpr (Thefts == thefts::rare) {
      asymmetric_fence_light();
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: lowered before, the look after; see the top
    }
  }
  static void without_thieves() noexcept {}

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

  [[nodiscard]] std::atomic<T*>& slot(std::int64_t index) noexcept {
    return slots_[static_cast<std::size_t>(index) & mask_];
  }
  [[nodiscard]] bool is_full(std::int64_t newest) const noexcept {
    // relaxed: the owner's own but for a call for attention, which is ordered by the fence in push()
    return newest >= attention_.load(std::memory_order_relaxed);
  }

  void publish(T& entry, std::int64_t newest) noexcept {
    slot(newest).store(&entry, std::memory_order_relaxed);  // relaxed: published by the next line
    // release: publishes the slot and what the entry is; pairs with the acquire in take_oldest()
    newest_.store(newest + 1, std::memory_order_release);
  }

  /// The oldest, after newest_ was lowered: where it is less, the entry there is the owner's.
  template <void (*Fence)() noexcept>
  [[nodiscard]] std::int64_t lower_to(std::int64_t newest) noexcept {
    newest_.store(newest, std::memory_order_relaxed);  // relaxed: ordered by the fence
    Fence();
    return oldest_.load(std::memory_order_relaxed);  // relaxed: ordered by the fence
  }

  template <void (*Fence)() noexcept>
  [[nodiscard]] T* take_newest() noexcept {
    auto newest = newest_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    // relaxed: a lower bound, and only the owner makes it non-empty
    if (oldest_.load(std::memory_order_relaxed) == newest) return nullptr;
    auto* entry = slot(--newest).load(std::memory_order_relaxed);  // relaxed: the owner wrote it
    auto oldest = lower_to<Fence>(newest);
    return oldest < newest || take_last_back(oldest, newest) ? entry : nullptr;
  }

  [[nodiscard]] bool take_last_back(std::int64_t oldest, std::int64_t newest) noexcept {
    // seq_cst: in one order with the thieves' exchanges. relaxed on failure: a thief has it
    bool taken = oldest == newest && oldest_.compare_exchange_strong(oldest, oldest + 1, std::memory_order_seq_cst,
                                                                     std::memory_order_relaxed);
    newest_.store(std::max(newest + 1, oldest), std::memory_order_relaxed);  // relaxed: empty; publishes nothing
    return taken;
  }

  /// Where it is rare, not in the way of what is not.
  [[nodiscard, gnu::noinline]] bool take_last_back_apart(std::int64_t oldest, std::int64_t newest) noexcept {
    return take_last_back(oldest, newest);
  }

  /// The owner goes on in `next`.
  void set_ring(ring& next) noexcept {
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
    set_ring(next);
    return &next;
  }

  // The owner's line, and the thieves'.
  alignas(64) std::atomic<std::int64_t> newest_{0};
  std::atomic<std::int64_t> attention_{0};
  std::atomic<T*>* slots_ = nullptr;  // of ring_
  std::size_t mask_ = 0;
  std::atomic<ring*> ring_{nullptr};
  plain::vector<std::unique_ptr<ring>> rings_;  // the owner's; old ones stay for thieves that still read them
  alignas(64) std::atomic<std::int64_t> oldest_{0};
};

}  // namespace weft::base
