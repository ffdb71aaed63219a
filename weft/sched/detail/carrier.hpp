#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <source_location>
#include <thread>

#include <weft/base/detail/asymmetric_fence.hpp>
#include <weft/base/detail/event_count.hpp>
#include <weft/base/detail/thread_slot.hpp>
#include <weft/sched/detail/direct_switch.hpp>
#include <weft/sched/detail/runnable.hpp>
#include <weft/sched/detail/scheduler.hpp>
#include <weft/sched/detail/this_runnable.hpp>

#include "weft/sched/detail/blocked_time.hpp"
#include "weft/sched/detail/noted_name.hpp"
#include "weft/sched/detail/thread_state.hpp"

// Who has a seat, and how it changes hands while a task runs.
//
// A seat's word `sitter` holds the carrier that sits on it and a bit `deciding`. A carrier's flag `inside` is set while
// it works on its seat: in the scheduler's loop, or where a task that it runs pushes to the queue or talks to the
// driver. It is clear while the task runs its own code.
//
//   carrier   inside := true     fence   look at sitter:  its own   -> the seat is its, until inside := false
//                                                         deciding  -> look again
//                                                         another's -> the seat is lost
//   watchdog  sitter := deciding fence   look at inside:  set       -> sitter := as before, nothing has happened
//                                                         clear     -> sitter := another carrier
//
// Of the two looks at least one sees the other's store (the fences), so carrier and watchdog never both believe that
// the seat is theirs. Between `deciding` and its decision the watchdog may read the task that runs: it can neither park
// nor end without entering, which waits for the decision. The watchdog decides within some hundred instructions.
//
// inside := false is a release and the watchdog's look an acquire; sitter := another is a release and that carrier's
// look an acquire: the new carrier sees the seat as the old one left it.

namespace weft::sched {

class scheduler;
class seat;

/// An OS thread that runs tasks: on a seat, or without one after it lost its own; or a compute carrier, which never has
/// one: a thread of others' that resumes tasks which are theirs for the time being, as the compute pool's do.
class carrier {
 public:
  enum class kind : std::uint8_t { of_scheduler, compute };
  explicit carrier(scheduler& owner, kind what = kind::of_scheduler) noexcept : owner_{owner}, kind_{what} {}

  [[nodiscard]] scheduler& owner() noexcept { return owner_; }
  [[nodiscard]] bool is_compute_carrier() const noexcept { return kind_ == kind::compute; }

  /// The task that it runs, or null.
  /// Thread: its own; the watchdog while it decides.
  [[nodiscard]] runnable* runs() const noexcept {
    // relaxed: its own thread wrote it, or the watchdog has acquired `inside`
    return runs_.load(std::memory_order_relaxed);
  }

  /// Its thread: `task` is about to run its own code.
  void begin(runnable& task) noexcept {
    set_this_runnable(&task);
    *errno_place_ = task.error_number_;
    // relaxed: published by the next line
    runs_.store(&task, std::memory_order_relaxed);
    // release: the seat as the loop left it; pairs with is_inside()
    inside_.store(false, std::memory_order_release);
  }

  /// Its thread: whether it works on its seat already.
  [[nodiscard]] bool works_on_seat() const noexcept {
    // relaxed: its own thread wrote it
    return inside_.load(std::memory_order_relaxed);
  }

  /// In a child of fork(): its seat is its parent's.
  void forget_seat() noexcept { seat_ = nullptr; }

  /// Its thread: the seat it has and keeps until leave(), or null.
  [[nodiscard]] seat* enter() noexcept;

  /// Its thread: the task is about to park, yield or end. It is in its own code no more, until begin() or leave().
  /// Returns the seat, as enter().
  seat* leave_own_code() noexcept {
    auto* mine = enter();
    // relaxed: without a seat, only a signal handler in the same thread looks
    if (!mine) inside_.store(true, std::memory_order_relaxed);
    runs()->error_number_ = *errno_place_;
    if (blocked_.is_noted()) [[unlikely]]
      charge_blocked_time();
    return mine;
  }
  /// Its thread, in a signal handler too: the task that it runs is in the midst of its own code.
  [[nodiscard]] bool runs_own_code() const noexcept { return runs() && !works_on_seat(); }

  /// Its thread: it does nothing more with the seat.
  void leave() noexcept {
    // release: pairs with is_inside()
    inside_.store(false, std::memory_order_release);
  }

  /// Its thread: the task does not run its own code any more. Returns whether the seat is still its.
  [[nodiscard]] bool end() noexcept {
    auto* mine = enter();
    set_this_runnable(nullptr);
    // relaxed: only its own thread reads it from here on
    runs_.store(nullptr, std::memory_order_relaxed);
    return mine != nullptr;
  }

  /// Its thread: the task that it runs blocks it from here on, or does not any more. The caller holds no seat.
  void set_blocks(bool blocks) noexcept {
    // release: the watchdog that sees it sees what runs; pairs with blocks()
    blocks_.store(blocks, std::memory_order_release);
  }
  /// The watchdog.
  [[nodiscard]] bool blocks() const noexcept {
    // acquire: as above
    return blocks_.load(std::memory_order_acquire);
  }

  /// The watchdog notes there what it sees of a stuck run.
  [[nodiscard]] blocked_time& blocked() noexcept { return blocked_; }
  /// Its thread: tells the task that it runs of the time that it was blocked for, up to now.
  void charge_blocked_time() noexcept;

  /// Its thread, as the first thing.
  void begin_on_this_thread() noexcept;

  /// Its thread: a task that stays here begins, or has ended.
  void begin_thread_bound() noexcept { ++thread_bound_; }
  void end_thread_bound() noexcept { --thread_bound_; }
  /// Its thread: a task that stays here and was made ready elsewhere, or null.
  [[nodiscard]] runnable* take_thread_bound() noexcept;
  /// The same: whether there is one. May be old at once.
  [[nodiscard]] bool has_thread_bound() const noexcept { return thread_bound_ready_.size() != 0; }

  /// The watchdog, after the heavy fence.
  [[nodiscard]] bool is_inside() const noexcept {
    // acquire: sees the seat as the carrier left it
    return inside_.load(std::memory_order_acquire);
  }

 private:
  friend class carrier_pool;
  friend class held_driver;
  friend class held_seat;
  friend class seat;
  friend void begin_turn_after(carrier&, runnable&, leave_reason, runnable&) noexcept;
  friend bool continues_alone(carrier&, runnable&) noexcept;
  friend bool settle(carrier&, runnable&, leave_reason) noexcept;
  friend void begin_blocking() noexcept;
  friend void end_blocking() noexcept;

  /// A run without a seat begins, or began.
  void note_run(std::chrono::steady_clock::time_point began, const runnable::identity& who,
                std::chrono::nanoseconds cpu_before) noexcept {
    run_name_.set(who.name);
    // relaxed, both: published by the last line
    run_site_.store(who.spawned_at, std::memory_order_relaxed);
    run_cpu_before_.store(cpu_before, std::memory_order_relaxed);
    // release: publishes the two above; pairs with find_long_runs()
    run_began_.store(began.time_since_epoch().count(), std::memory_order_release);
  }
  /// It is over.
  void forget_run() noexcept {
    // relaxed: publishes nothing
    run_began_.store(0, std::memory_order_relaxed);
  }

  /// enter() without a seat, or with one that has become another's.
  seat* lose_seat() noexcept;

  scheduler& owner_;
  const kind kind_;
  seat* seat_ = nullptr;  // what its thread believes, checked by enter(); written while nobody sits there
  std::atomic<runnable*> runs_{nullptr};
  std::atomic<bool> inside_{true};
  std::atomic<bool> blocks_{false};
  bool counts_as_work_ = false;  // its task goes on without a seat after it blocked; its thread's
  int* errno_place_ = nullptr;   // its thread's
  // Tasks that stay here: how many have begun and not ended, its thread's; and those to be run, from any thread.
  std::size_t thread_bound_ = 0;
  global_queue thread_bound_ready_;
  base::event_count thread_bound_event_;  // notified for a carrier without a seat
  // As its thread believes: woken for the carrier's sake, and for nothing where that is old.
  std::atomic<seat*> sits_on_{nullptr};
  // A run without a seat; its thread's.
  std::chrono::steady_clock::time_point began_{};
  // The same for long_runs, with the time on a core that the thread had used before. The carrier writes them, or the
  // watchdog while it decides; the watchdog reads them. `run_began_` counts from the clock's epoch; 0: no such run goes
  // on.
  std::atomic<std::chrono::steady_clock::rep> run_began_{0};
  std::atomic<std::source_location> run_site_{};
  noted_name run_name_;
  std::atomic<std::chrono::nanoseconds> run_cpu_before_{};
  std::optional<thread_usage> used_before_;
  blocked_time blocked_;

  // The pool's, under its mutex.
  std::condition_variable seated_;
  bool seatless_ = false;
  bool finished_ = false;
  std::chrono::steady_clock::rep reported_run_ = 0;  // the beginning of the run that long_runs was told of
  int thread_id_ = 0;                                // the system's, 0 until the thread has said so
  std::thread thread_;
};

WEFT_DECLARE_THREAD_SLOT(carrier, weft_this_carrier);

/// On the thread of `by`: runs `task`, which may be gone on return.
void resume_on_compute_carrier(carrier& by, runnable& task) noexcept;

/// The carrier that the calling OS thread is, or null.
[[nodiscard]] inline carrier* current_carrier() noexcept {
  carrier* found;
  WEFT_LOAD_THREAD_SLOT(found, weft_this_carrier);
  return found;
}
inline void set_current_carrier(carrier* self) noexcept {
  WEFT_STORE_THREAD_SLOT(weft_this_carrier, self);
  if (self) self->begin_on_this_thread();
}

/// The caller's seat, which stays the caller's while this lives. Where there is none (a plain OS thread, a task whose
/// seat was handed over), get() is null. Nests. Not to be kept across a park.
class held_seat {
 public:
  held_seat() noexcept : carrier_{current_carrier()} {
    if (!carrier_) return;
    if (carrier_->works_on_seat()) {
      seat_ = carrier_->seat_;
    } else {
      seat_ = carrier_->enter();
      entered_ = seat_ != nullptr;
    }
  }
  ~held_seat() {
    if (entered_) carrier_->leave();
  }
  held_seat(const held_seat&) = delete;
  held_seat& operator=(const held_seat&) = delete;

  [[nodiscard]] seat* get() const noexcept { return seat_; }
  /// The calling carrier; null on a plain OS thread.
  [[nodiscard]] carrier* by() const noexcept { return carrier_; }

 private:
  carrier* carrier_;
  seat* seat_ = nullptr;
  bool entered_ = false;
};

}  // namespace weft::sched
