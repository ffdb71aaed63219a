#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <utility>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/sched/detail/runnable.hpp>
#include <weft/sched/watchdog.hpp>

namespace weft::sched {

/// For how long a thread was blocked in the kernel while it ran one task, by reason: as far as the watchdog saw it.
///
/// A thread was off its core for what has passed less what its CPU clock says. Each time the watchdog looks at a run
/// that has gone on for longer than a slice, it counts what the thread was off its core since the look before as what
/// it sees then. What follows the last look counts as what that saw, and is added by the thread itself.
/// Thread: the watchdog, and the carrier's, at the same time.
class blocked_time {
 public:
  /// A moment in a thread's life.
  struct moment {
    std::chrono::steady_clock::time_point at{};
    std::chrono::nanoseconds on_cpu{};  ///< of its CPU clock
  };

  /// The watchdog, of a thread that runs `task` since `began`, or since before: what keeps it `now`.
  void note(const runnable& task, moment began, moment now, stall_reason why) noexcept {
    std::lock_guard guard{lock_};
    if (task_ != &task || last_.at < began.at) begin(task, began);
    why_ = is_blocked(why) ? why : stall_reason::unknown;
    add_up_to(now);
  }

  /// The watchdog: whether so much of the run has passed since the last look that another is worth its price.
  [[nodiscard]] bool is_due(std::chrono::steady_clock::time_point began,
                            std::chrono::steady_clock::time_point now) const noexcept {
    std::lock_guard guard{lock_};
    constexpr int looks_while_a_run_doubles = 8;
    return last_.at < began || now - last_.at >= (last_.at - began) / looks_while_a_run_doubles;
  }

  /// The carrier's thread: whether take() may find anything. One load.
  [[nodiscard]] bool is_noted() const noexcept {
    // relaxed: take() locks
    return noted_.load(std::memory_order_relaxed);
  }

  using times = std::array<std::chrono::nanoseconds, stall_reasons>;
  /// The carrier's thread, which runs `task`: what there is up to now. It is taken out.
  [[nodiscard]] times take(const runnable& task, moment now) noexcept {
    std::lock_guard guard{lock_};
    times found{};
    if (task_ == &task) {
      add_up_to(now);
      why_ = stall_reason::unknown;  // it runs
      found = std::exchange(blocked_, {});
    }
    // relaxed: under the lock
    noted_.store(false, std::memory_order_relaxed);
    return found;
  }

  /// The carrier's thread: the time up to now, in which it ran `task`, was accounted for otherwise.
  void restart(const runnable& task, moment now) noexcept {
    std::lock_guard guard{lock_};
    begin(task, now);
  }

 private:
  [[nodiscard]] static bool is_blocked(stall_reason why) noexcept {
    return why == stall_reason::system_call || why == stall_reason::lock || why == stall_reason::page_fault;
  }
  void begin(const runnable& task, moment from) noexcept {
    task_ = &task;
    last_ = from;
    why_ = stall_reason::unknown;
    blocked_ = {};
    // relaxed: under the lock
    noted_.store(false, std::memory_order_relaxed);
  }
  void add_up_to(moment now) noexcept {
    const auto off_core = (now.at - last_.at) - (now.on_cpu - last_.on_cpu);
    last_ = now;
    if (why_ == stall_reason::unknown) return;
    blocked_[static_cast<std::size_t>(why_)] += std::max(off_core, std::chrono::nanoseconds{});
    // relaxed: the reader locks
    noted_.store(true, std::memory_order_relaxed);
  }

  mutable base::spin_lock lock_;  // guards all below
  std::atomic<bool> noted_{false};
  stall_reason why_ = stall_reason::unknown;  // at the last look; unknown for whatever is not blocked
  const runnable* task_ = nullptr;            // compared only: it may be gone
  moment last_{};
  times blocked_{};
};

}  // namespace weft::sched
