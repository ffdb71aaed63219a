#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <thread>

#include <weft/base/detail/block_cache.hpp>
#include <weft/base/detail/event_count.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/detail/work_deque.hpp>
#include <weft/base/random.hpp>
#include <weft/compute/detail/fork_frame.hpp>
#include <weft/compute/detail/frame_stack.hpp>
#include <weft/stack/detail/machine.hpp>

namespace weft::sched {
class carrier;
}

namespace weft::detail {

class compute_pool;
class compute_carrier;

/// The carrier that the calling OS thread is at present, or null, as it is while that runs a virtual thread. Coroutines
/// read it anew after each suspension.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local compute_carrier* this_compute_carrier;

/// What an OS thread has that runs fork-join coroutines.
/// Thread: its own, but for what says otherwise.
class compute_carrier {
 public:
  /// Without a pool it computes alone.
  compute_carrier(compute_pool* pool, std::uint64_t seed) noexcept : random_{seed}, pool_{pool} {}
  ~compute_carrier();
  compute_carrier(const compute_carrier&) = delete;
  compute_carrier& operator=(const compute_carrier&) = delete;

  /// Memory for a frame above all others of this carrier; null when the computation was stopped or there is none.
  [[nodiscard]] void* allocate(std::size_t bytes) noexcept { return allocate(bytes, base::alignment_of_frame(bytes)); }
  /// The same for a frame of which the compiler says how it is aligned.
  [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    bytes = (bytes + frame_stack::alignment - 1) / frame_stack::alignment * frame_stack::alignment;
    auto* begin = top_;
    if (alignment > frame_stack::alignment) begin = aligned_up(begin, alignment);
    // relaxed: whoever has set it to null only wants the next look to be a slow one
    if (reinterpret_cast<std::uintptr_t>(begin) + bytes >
        reinterpret_cast<std::uintptr_t>(limit_.load(std::memory_order_relaxed))) [[unlikely]] {
      return allocate_slowly(bytes, alignment);
    }
    top_ = begin + bytes;
    return begin;
  }

  /// Ends the program: a frame was to be made where no carrier is.
  [[noreturn, gnu::cold]] static void nowhere() noexcept;

  /// The uppermost frame is gone.
  void release(std::byte* frame) noexcept {
    top_ = frame;
    if (frame == base_) [[unlikely]]
      release_segment();
  }

  /// Where the next frame that is offered will lie.
  [[nodiscard]] std::int64_t offered_at() const noexcept { return deque_.end(); }
  /// Offers `frame`, whose state is saved, at offered_at(). It may run elsewhere on return.
  void push(fork_frame& frame, std::int64_t at) noexcept {
    if (deque_.push(frame, at)) [[unlikely]]
      grow_and_wake();
  }

  /// Takes back the frame that this carrier pushed last, at `at`. False: it was stolen.
  [[nodiscard]] bool take_back(std::int64_t at) noexcept { return deque_.take_back(at); }

  /// Calls nest too deep to begin one more frame by a call.
  [[nodiscard]] bool is_deep() const noexcept { return stack::machine::stack_end() < deep_below_; }
  /// The carrier's loop goes on with `frame`, once all calls have returned.
  void run_next(fork_frame& frame) noexcept {
    next_ = &frame;
    returning_ = true;
  }
  /// All calls return to the carrier's loop: nobody goes on in place.
  [[nodiscard]] bool is_returning() const noexcept { return returning_; }

  /// Whether nothing of this carrier's can be stolen: a hint for who may split its work.
  [[nodiscard]] bool offers_nothing() const noexcept { return deque_.empty(); }

  [[nodiscard]] frame_stack* stack() const noexcept { return stack_; }
  [[nodiscard]] compute_pool* pool() const noexcept { return pool_; }
  /// The computation whose frames run here, or null.
  [[nodiscard]] fork_root* root() const noexcept { return stack_ ? stack_->root : nullptr; }

  // What a frame does that is not the common case.

  /// A frame is at its join, or has to wait before it throws. True: children are missing, and the last of them has it.
  [[nodiscard]] bool waits_for_children(fork_frame& frame) noexcept;
  /// A forked child has ended, its frame is gone, and its parent was stolen.
  void arrive(fork_frame& parent) noexcept;
  /// The part of an algorithm that runs here threw `error`: its computation begins nothing more, and throws that.
  void fail(std::exception_ptr error) noexcept;
  /// The frame's body is over, not plainly.
  void finish(fork_frame& frame) noexcept;

  /// `root` is about to end, or could not begin: nothing of it is offered any more.
  void forget(const fork_root& root) noexcept {
    if (offers_for_ == &root) offer_for(nullptr);
  }

  /// Goes on with a frame of another carrier.
  void run_stolen(fork_frame& frame) noexcept;
  /// The carrier's loop: runs what run_next() was called for, and what comes of it.
  void run_frames() noexcept;

  /// While it lives, the carrier has a stack of `root`'s, apart from what its caller runs there, and calls may nest as
  /// deep as if there were none yet.
  class own_stack {
   public:
    own_stack(compute_carrier& carrier, fork_root& root) noexcept;
    ~own_stack();
    own_stack(const own_stack&) = delete;
    own_stack& operator=(const own_stack&) = delete;

   private:
    compute_carrier& carrier_;
    frame_stack* outer_;
    compute_carrier* outer_carrier_;
    const fork_root* outer_offers_for_;
    std::uintptr_t outer_deep_below_;
  };

  /// The carrier that the calling OS thread is. On a thread that is none: one that computes alone.
  [[nodiscard]] static compute_carrier& here() noexcept;

 private:
  friend class compute_pool;

  [[nodiscard]] static std::byte* aligned_up(std::byte* address, std::size_t alignment) noexcept {
    return address + (-reinterpret_cast<std::uintptr_t>(address) & (alignment - 1));
  }
  [[nodiscard]] void* allocate_slowly(std::size_t bytes, std::size_t alignment) noexcept;
  void release_segment() noexcept;
  void grow_and_wake() noexcept;

  /// Whether this carrier has the frame from here on: no child is missing.
  [[nodiscard]] bool has_all_children(fork_frame& frame) noexcept;

  /// Says whose the frames are that this carrier offers: of `root`, or of what is nested in it. Null: it offers none.
  void offer_for(const fork_root* root) noexcept;
  /// The oldest frame that is offered; null when there is none, or it is not known to belong to `root`, or to what is
  /// nested in it.
  /// Thread: any.
  [[nodiscard]] fork_frame* take_oldest_within(const fork_root& root) noexcept;
  void end(fork_frame& frame) noexcept;
  void take_over(fork_frame& frame) noexcept;
  void use(frame_stack* stack) noexcept;
  void set_limit(std::byte* limit) noexcept;
  [[nodiscard]] frame_stack* unused_stack() noexcept;
  void put_away(frame_stack* stack) noexcept;
  /// No child begins without a look at whether the computation was stopped.
  /// Thread: any.
  void check_soon() noexcept {
    // seq_cst: after the computation was stopped; pairs with set_limit()
    limit_.store(nullptr, std::memory_order_seq_cst);
  }

  std::byte* top_ = nullptr;
  std::byte* base_ = nullptr;
  std::atomic<std::byte*> limit_{nullptr};
  frame_stack* stack_ = nullptr;
  std::uintptr_t deep_below_ = 0;
  bool returning_ = false;
  fork_frame* next_ = nullptr;
  base::work_deque<fork_frame, base::thefts::rare> deque_;
  base::event_count event_count_;
  base::random random_;
  compute_pool* const pool_;
  frame_stack* unused_ = nullptr;
  std::atomic<std::uint32_t> near_{0};  // the group of cores where it last looked for work; see topology
  sched::carrier* carrier_ = nullptr;   // as whom it resumes tasks
  bool asleep_ = false;                 // under the pool's mutex
  base::spin_lock offers_lock_;         // guards offers_for_ against others than the carrier
  const fork_root* offers_for_ = nullptr;
  std::thread thread_;
};

}  // namespace weft::detail
