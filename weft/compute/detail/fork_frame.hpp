#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>

#include <weft/base/check.hpp>
#include <weft/base/containers.hpp>
#include <weft/base/error.hpp>
#include <weft/compute/detail/frame_stack.hpp>

namespace weft::detail {

// Fork-join by continuation stealing: fork() pushes the frame that forks on its carrier's deque and runs the child.
// When the child ends, the carrier pops the frame and goes on with it. A frame that is not there any more was stolen
// while that child ran: its thief has gone on with it, and the child arrives at its join instead.
//
//   steals     how often the frame was stolen since its last join, each time from a carrier that ran one of its
//              children: as many children will arrive. Of whoever runs the frame
//   arrivals   `nobody` less those that have arrived. At its join the frame takes `nobody - steals` off: what is left
//              is how many are still missing, and whoever makes it 0, the last child or the frame itself, has the frame
//              from there on
//
// A frame that was not stolen has no children left at its join, and looks at one plain number only.
//
// A child is resumed by a call on the thread's own stack, inside its parent's suspension. Where it ends without having
// been stolen from or suspended, it returns there, the parent takes itself back, and goes on in place: a fork costs
// what a call costs and a few stores, and the processor predicts the return. Where a frame suspends for good, at a
// join, all calls below return up to the carrier's loop, for whoever is below was stolen before. From there the frame,
// and any other that is resumed by the loop, is *detached*: at its end it has no caller to return to, and looks for its
// parent itself. When the calls nest too deep, a child is begun by the loop instead.
//
// Where frames lie: a carrier allocates on its own stack. A stolen frame lies on the stack of the carrier that was
// stolen from, below the child that runs there, and its thief begins on a stack that is empty. Whoever has the frame
// after the join goes on with the stack it lies on. So a child that arrives and is not the last gives its stack up if
// the frame lies there, and takes a new one; the last takes the frame's. A stack has one owner at a time, handed on
// through `arrivals`.

struct fork_frame {
  static constexpr std::uint32_t nobody = std::numeric_limits<std::int32_t>::max();

  /// By whom the frame was begun, and so what happens when it ends.
  enum class kind : std::uint8_t { forked, called, root };

  // What is not the common case.
  static constexpr std::uint32_t fork_failed = 1;  ///< a child that it forked threw
  static constexpr std::uint32_t call_failed = 2;  ///< a child that it called threw
  static constexpr std::uint32_t refused = 4;      ///< a child could not begin
  static constexpr std::uint32_t trouble = fork_failed | call_failed | refused;
  static constexpr std::uint32_t threw = 8;      ///< its body did; the exception is with the root
  static constexpr std::uint32_t at_end = 16;    ///< its body is over, and children are missing
  static constexpr std::uint32_t detached = 32;  ///< see the top

  explicit fork_frame(frame_stack* lies_on) noexcept : stack{lies_on} {}
  fork_frame(const fork_frame&) = delete;
  fork_frame& operator=(const fork_frame&) = delete;

  /// The compilers that weft is built with lay a frame out as two addresses, then the promise, of which this is the
  /// beginning. Checked in debug builds for each.
  static constexpr std::size_t offset = 2 * sizeof(void*);
  [[nodiscard]] std::byte* address() noexcept { return reinterpret_cast<std::byte*>(this) - offset; }
  [[nodiscard]] std::coroutine_handle<> handle() noexcept { return std::coroutine_handle<>::from_address(address()); }

  [[nodiscard]] bool is(std::uint32_t any_of) const noexcept {
    // relaxed: written by whoever has the frame, or published by `arrivals`
    return (flags.load(std::memory_order_relaxed) & any_of) != 0;
  }
  void set(std::uint32_t flag) noexcept {
    // relaxed: as above
    flags.fetch_or(flag, std::memory_order_relaxed);
  }
  void clear(std::uint32_t which) noexcept {
    // relaxed: as above
    flags.fetch_and(~which, std::memory_order_relaxed);
  }

  /// It ends, not detached, so with no children left, and nothing to throw.
  [[nodiscard]] bool ends_plainly() const noexcept {
    // relaxed: as above
    return flags.load(std::memory_order_relaxed) == 0;
  }

  fork_frame* parent = nullptr;
  frame_stack* stack;
  std::uint32_t steals = 0;
  std::atomic<std::uint32_t> arrivals{nobody};
  std::atomic<std::uint32_t> flags{0};
  kind how = kind::forked;
};

/// One fork-join computation: what its frames have in common.
/// Thread: any, for every member, but for what says otherwise.
class fork_root {
 public:
  fork_root() = default;
  fork_root(const fork_root&) = delete;
  fork_root& operator=(const fork_root&) = delete;

  /// Why no new children begin, here or in what this is nested in; 0: they do.
  [[nodiscard]] int stopped() const noexcept {
    for (auto* each = this; each; each = each->outer_) {
      // seq_cst: after a carrier has set its limit; pairs with set_stopped()
      if (auto why = each->stop_.load(std::memory_order_seq_cst); why != 0) return why;
    }
    return 0;
  }

  /// Whether it is `root`, or nested in it.
  [[nodiscard]] bool is_within(const fork_root& root) const noexcept {
    for (auto* each = this; each; each = each->outer_) {
      if (each == &root) return true;
    }
    return false;
  }

  /// Keeps what `frame` throws: the first of its exceptions, and the number of all others.
  void keep(const fork_frame& frame, std::exception_ptr error) noexcept;
  /// What `from` threw is thrown by `to` instead.
  void hand_over(const fork_frame& from, const fork_frame& to) noexcept;
  /// What `frame` throws; null when there was no memory to keep it.
  [[nodiscard]] std::exception_ptr take(const fork_frame& frame) noexcept;

  /// A part of an algorithm threw `error`, and the algorithm gives up: unless an earlier one is there, or this one only
  /// says that the computation was stopped, the computation ends with it. True: it does, and is to be stopped.
  [[nodiscard]] bool fail(std::exception_ptr error) noexcept;
  /// A part of an algorithm was left out, since the computation was stopped.
  void leave_out() noexcept {
    std::lock_guard guard{mutex_};
    left_out_ = true;
  }
  /// What the computation throws, or null, where its outermost frame threw `error`, or nothing.
  [[nodiscard]] std::exception_ptr outcome(std::exception_ptr error) const noexcept;

  /// Why a frame could not be made.
  [[nodiscard]] std::exception_ptr refusal() const noexcept;

  /// How many exceptions nobody will see, since another one arrived first.
  [[nodiscard]] std::size_t exceptions_lost() const noexcept {
    std::lock_guard guard{mutex_};
    return lost_;
  }

 protected:
  ~fork_root() = default;

  /// Before the computation begins: it is nested in `outer`, which outlives it, and stops when that does.
  void set_outer(const fork_root* outer) noexcept { outer_ = outer; }

  /// No new child begins. The pool tells its carriers to look.
  void set_stopped(errc why) noexcept {
    int running = 0;
    // seq_cst: before the carriers are told; pairs with stopped(). relaxed on failure: stopped already, and the first
    // reason stays
    stop_.compare_exchange_strong(running, static_cast<int>(why), std::memory_order_seq_cst, std::memory_order_relaxed);
  }

 private:
  friend class compute_pool;
  friend class compute_carrier;

  /// Of a carrier: the outermost frame has ended and is gone. The root may be gone on return.
  virtual void ended(std::exception_ptr error) noexcept = 0;

  struct failure {
    const fork_frame* frame;
    std::exception_ptr error;
  };

  [[nodiscard]] bool only_says_stopped(const std::exception_ptr& error) const noexcept;

  const fork_root* outer_ = nullptr;
  std::atomic<int> stop_{0};
  mutable std::mutex mutex_;  // guards all below
  plain::vector<failure> failures_;
  std::exception_ptr given_up_with_;  // by an algorithm
  bool left_out_ = false;
  std::size_t lost_ = 0;
};

}  // namespace weft::detail
