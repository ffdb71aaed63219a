#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>

#include <weft/base/containers.hpp>
#include <weft/base/detail/asymmetric_fence.hpp>
#include <weft/base/detail/event_count.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/result.hpp>
#include <weft/stack/detail/parked_flows.hpp>

namespace weft::stack {

class stack_pool;
class reservation;
struct hibernation;
struct image;
struct sanitizer;

/// A stack of a pool's: usable memory between bottom() and top(), with a guard below it. Not more than a descriptor,
/// which lies elsewhere.
/// Thread: whoever allocated it.
class slot {
 public:
  slot(const slot&) = delete;
  slot& operator=(const slot&) = delete;

  /// The lowest usable byte; the guard ends here.
  [[nodiscard]] std::byte* bottom() const noexcept { return bottom_; }
  /// One past the highest usable byte.
  [[nodiscard]] std::byte* top() const noexcept { return bottom_ + bytes_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] stack_pool& pool() const noexcept { return *pool_; }

  /// Says what runs on the stack from now on: stack_pool::put_away() may ask about it.
  void occupy(void* flow) noexcept {
    // release: publishes the flow; pairs with the acquire in hibernation::choose()
    occupant_.store(flow, std::memory_order_release);
  }

  /// Undoes occupy(), before what runs there is destroyed. Returns when nobody asks about it any more.
  void vacate() noexcept {
    // relaxed: the fence orders it before the look; pairs with the same in hibernation::choose()
    occupant_.store(nullptr, std::memory_order_relaxed);
    base::asymmetric_fence_light();
    // acquire: what is done to the flow from here on comes after the look at it
    if (being_scanned_.load(std::memory_order_acquire)) [[unlikely]]
      wait_until_unobserved();
  }

  /// For whoever holds the slot and uses it now: whether this is a use to measure, which one in a thousand is.
  [[nodiscard]] bool is_use_to_measure() noexcept { return ++uses_ % measuring_interval == 0; }

  /// Before anything is on the stack: empties it, so that end_measuring() can tell what was touched.
  void begin_measuring() noexcept;
  [[nodiscard]] bool is_measured() const noexcept { return is_measured_; }
  /// How many bytes, from the top down and in whole pages, were touched since begin_measuring().
  [[nodiscard]] std::size_t end_measuring() noexcept;

  /// For whoever holds the slot, to link slots that it keeps back. The pool uses it only while it holds the slot.
  slot* next = nullptr;

 private:
  friend class stack_pool;
  friend struct hibernation;
  friend struct sanitizer;
  void wait_until_unobserved() const noexcept;
  static constexpr std::uint32_t measuring_interval = 1024;

  slot(std::byte* bottom, std::size_t bytes, stack_pool& pool, std::uint32_t number) noexcept
      : bottom_(bottom), bytes_(bytes), pool_(&pool), uses_(number) {}

  /// Takes down what has been touched so far, before it goes.
  void measure() noexcept;

  std::byte* bottom_;
  std::size_t bytes_;
  stack_pool* pool_;

  // For hibernation, which explains them.
  std::atomic<std::uintptr_t> state_{0};
  std::atomic<void*> occupant_{nullptr};
  std::uint64_t seen_wait_ = 0;  // the wait that its flow was parked in when last looked at; 0 after it came back
  std::atomic<bool> being_scanned_{false};

  bool is_measured_ = false;
  std::uint32_t uses_;  // begins with another number in each slot, so that not all are measured at once
  std::size_t most_touched_bytes_ = 0;

  [[maybe_unused]] void* fiber_ = nullptr;  // ThreadSanitizer's picture of the flow on this stack
  [[maybe_unused]] bool fiber_ran_ = false;
  [[maybe_unused]] std::uint32_t registration_ = 0;  // Valgrind's number for this stack
};

/// How the guard below each stack is made to fault.
enum class guard_method {
  best,              ///< the first of the following that the kernel knows
  advice,            ///< MADV_GUARD_INSTALL: costs no mapping, Linux 6.13 or newer
  split_protection,  ///< mprotect: two mappings a stack, so vm.max_map_count (65,530) ends it at some 32,000 stacks
};

/// Stacks of one size, carved out of large reservations of address space. A stack takes memory only where it was
/// touched. Released stacks are kept, with what they touched, and the one released last is given out first.
///
/// A guard is 64 KiB. Larger frames touch it too where they are compiled with -fstack-clash-protection, which weft's
/// CMake targets and weft.pc ask for. The tops of neighbouring stacks differ by a cache line, up to 960 bytes in all:
/// were they all equal in their lower bits, the hot ends of many stacks would fall into the same few sets of the
/// caches. The first 64 OS threads that use a pool keep up to 32 released stacks each to themselves, so that most
/// stacks come and go without a lock.
/// Thread: any, for every member but the destructor.
/// Lifetime: every slot is released first; the destructor checks.
class stack_pool {
 public:
  /// How much less than stack_bytes() a slot may have.
  static constexpr std::size_t largest_inset_bytes = 15 * 64;
  /// No pool's stacks are smaller.
  static constexpr std::size_t least_stack_bytes = 16 * std::size_t{1024};

  /// Rounds `stack_bytes` up to whole pages, and to a minimum of 16 KiB (64 KiB under the sanitizers, whose frames are
  /// larger). Reserves nothing yet.
  explicit stack_pool(std::size_t stack_bytes, guard_method guard = guard_method::best);
  ~stack_pool();
  stack_pool(const stack_pool&) = delete;
  stack_pool& operator=(const stack_pool&) = delete;

  /// A stack nobody else uses; its contents are arbitrary. Fails with the errno that the kernel gave when there is no
  /// more address space, memory or mappings; what is already allocated goes on. explain() says more.
  [[nodiscard]] result<slot*> allocate();

  /// Takes back a stack of this pool's on which nothing runs any more.
  void release(slot* stack) noexcept;

  /// Gives the memory of released stacks back to the kernel, except that of the `keep` stacks released last. They can
  /// still be allocated, others meanwhile too. Does not reach what other OS threads keep to themselves. Returns how
  /// many stacks it emptied.
  std::size_t trim(std::size_t keep = 0) noexcept;

  /// Trims what was not needed since the call before, but for `always_kept` stacks. Called now and then, it gives back
  /// what a rush has left. Returns how many stacks it emptied.
  std::size_t trim_idle() noexcept;
  static constexpr std::size_t always_kept = 64;

  /// Whether a later trim_idle() has something to do if nobody allocates until then.
  [[nodiscard]] bool has_more_than_always_kept() const noexcept;

  /// Puts away the stacks of parked flows: keeps what they hold that is not zero, and gives all their memory back to
  /// the kernel. Whoever touches one brings it back, and notices nothing but the time that it takes. Does nothing where
  /// hibernation_obstacle() says so, or where the guards split mappings. Needs the handler that
  /// install_overflow_handler() installs. Not before occupy() does a stack take part.
  /// Thread: one at a time.
  put_away_counts put_away(parked_flows& flows, patience how);

  /// Brings back all that were put away.
  /// Thread: as put_away().
  void bring_all_back() noexcept;

  /// Frees what was kept of stacks that were brought back. Returns whether there was any.
  bool free_images() noexcept;

  /// Notified whenever a stack was brought back; null for none. The event count outlives the stacks that are put away.
  void notify_when_brought_back(base::event_count* listener) noexcept {
    // release: publishes the event count; pairs with forget()
    event_count_.store(listener, std::memory_order_release);
  }

  /// Why allocate() failed with `error`, in a sentence or two that name the limit and how to raise it.
  [[nodiscard]] std::string explain(std::error_code error) const;

  struct statistics {
    std::size_t in_use = 0;          ///< allocated and not released
    std::size_t kept = 0;            ///< released, memory kept
    std::size_t empty = 0;           ///< released and trimmed
    std::size_t made = 0;            ///< all there are: the most that were needed at once
    std::size_t reserved_bytes = 0;  ///< address space, not memory
    guard_method guard = guard_method::best;
  };
  [[nodiscard]] statistics stats() const;

  /// The size of the pool's stacks, guard not counted. A slot's own bytes() are up to `largest_inset_bytes` less.
  [[nodiscard]] std::size_t stack_bytes() const noexcept { return stack_bytes_; }

 private:
  friend struct hibernation;
  /// What one OS thread keeps to itself, the one released last at the end. Only that thread touches `stacks`.
  struct alignas(64) magazine {
    static constexpr std::size_t capacity = 32;
    std::atomic<std::size_t> count{0};  // written by its thread, read by stats()
    std::array<slot*, capacity> stacks;
  };
  static constexpr std::size_t magazine_count = 64;

  [[nodiscard]] magazine* magazine_here() noexcept;
  void fill(magazine& mine) noexcept;
  void empty(magazine& mine, std::size_t leave) noexcept;
  void forget(image& kept) noexcept;
  [[nodiscard]] slot* pop_released() noexcept;
  [[nodiscard]] slot* take_released() noexcept;
  [[nodiscard]] result<slot*> carve();
  [[nodiscard]] std::error_code reserve();

  const std::size_t stack_bytes_;
  const guard_method guard_;
  const std::unique_ptr<std::array<magazine, magazine_count>> magazines_;

  mutable base::spin_lock lock_;  // guards the following
  slot* kept_ = nullptr;          // linked through slot::next, the one released last first
  slot* trimmed_ = nullptr;       // likewise: about to be emptied
  slot* empty_ = nullptr;         // likewise
  std::size_t kept_count_ = 0, trimmed_count_ = 0, empty_count_ = 0, made_ = 0, reserved_bytes_ = 0;
  std::size_t least_kept_ = 0;  // since the last trim_idle()

  std::atomic<image*> unneeded_images_{nullptr};
  std::atomic<base::event_count*> event_count_{nullptr};

  std::mutex growth_;  // guards the following; held across calls of the kernel, and taken before lock_
  plain::vector<std::unique_ptr<reservation>> reservations_;
};

}  // namespace weft::stack
