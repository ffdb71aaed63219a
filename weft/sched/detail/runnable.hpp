#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <source_location>
#include <string_view>

#include <weft/base/detail/intrusive_list.hpp>

namespace weft::sched {

class carrier;
class scheduler;
enum class leave_reason : std::uint8_t;
enum class stall_reason : std::uint8_t;

/// Why a wait ended, when it was not one of its own cases (those count from 0).
enum class wake_reason : std::int32_t { deadlocked = -3, timed_out = -2, cancelled = -1, first_case = 0 };

/// What may end a wait besides its wakers.
enum class cancellable : std::uint8_t {
  yes,
  no,     ///< a request to cancel does not; that the wait is part of a deadlock may
  never,  ///< nothing: what is waited for uses the waiter's memory, or cannot be given up
};

// Something to resume, and the one word that every wait in weft goes through.
//
// A wait has an epoch; the word holds the epoch of the present (or last) wait, why it ended, and five bits:
//
//   claimed   somebody, and nobody else, decides how this wait ends: a waker, a timer or a canceller
//   notified  the decision is delivered; the task may go on
//   parked    the task's state is saved; whoever sets `notified` must schedule it
//   shielded  a cancel request does not claim this wait
//   bound     nor does who found it in a deadlock
//
//   between waits                      claimed | notified (so nobody can claim)
//   begin():   next epoch, all clear   owner. From here on wakers find the task through the objects it waits on
//   claim():   + claimed               any one thread, if the epoch still is the waiter's and nobody was first
//   notify():  + notified, reason      that thread, after it delivered. If `parked` was set it schedules the task;
//                                      otherwise the task finds `notified` when it tries to park, and goes on
//   claim_and_notify()                 both at once, where there is nothing to deliver
//   commit_park(): + parked            owner, its state saved. If `notified` was set it does not park
//   hold():    - parked                one thread that looks after parked stacks. Nobody schedules the task until
//   let_go():  + parked                that thread. If `notified` was set it schedules the task
//
// Why nothing is lost: claim() succeeds once per epoch, and of notify() and commit_park(), both read-modify-writes of
// one location, the later sees the earlier. Why the word may be touched by a waker late: the epoch is checked in the
// same exchange that claims, and the word lives in the task, which outlives everyone who holds a reference or a node.
//
// A request to cancel is a flag of its own, set for the task's life. Canceller and owner both store, then look, with a
// fence between: the one sets the flag and looks at the word for a wait to end, the other begins a wait and, once the
// wait is registered, looks at the flag. So at least one of them sees the other.

/// Something that the scheduler can resume, or an OS thread that can be woken.
/// Thread: as each member says.
class runnable {
 public:
  runnable() = default;
  runnable(const runnable&) = delete;
  runnable& operator=(const runnable&) = delete;
  virtual ~runnable() = default;

  /// Runs the task, and begins with begin_turn(), until it parks, yields or ends. A task with a stack of its own may
  /// have been followed by others when it returns. Called on a carrier, by the scheduler only.
  virtual void resume(carrier& by) noexcept = 0;

  /// Makes a parked task run again: by default, hands it to its scheduler. Called by whoever notified it.
  virtual void make_ready() noexcept;

  /// What to call it in reports.
  struct identity {
    std::string_view name = {};  ///< empty when it has none
    std::source_location spawned_at = {};
  };
  [[nodiscard]] virtual identity who() const noexcept { return {}; }

  /// Owner, in its own code or as it leaves it: the watchdog saw that it kept its OS thread blocked in the kernel for
  /// so long, by `why`.
  virtual void was_blocked(stall_reason /*why*/, std::chrono::nanoseconds /*time*/) noexcept {}

  /// Owner: starts a wait. Returns false, and starts none, when the wait is cancellable and a cancel was requested.
  [[nodiscard]] bool begin_wait(cancellable how) noexcept {
    // relaxed: between waits only the owner changes the word
    auto next = (word_.load(std::memory_order_relaxed) & epoch_mask) + next_epoch;
    if (how != cancellable::yes) {
      // release: a claimer comes after all that the waiter did before it began; pairs with claim()
      word_.store(next | shielded_bit | (how == cancellable::never ? uninterruptible_bit : 0),
                  std::memory_order_release);
      return true;
    }
    if (cancel_was_requested()) return false;
    // release: as above
    word_.store(next, std::memory_order_release);
    return true;
  }

  /// Whether the owner has executed a read-modify-write since begin_wait(): registered its wait under a lock.
  enum class locked_since : bool { no, yes };
  /// Owner: the wait, cancellable, is registered. A request to cancel that may have missed it ends it.
  void check_for_cancel(locked_since begun) noexcept {
#if defined(__x86_64__)
    // There every read-modify-write is a fence: the compiler only has to keep the order.
    if (begun == locked_since::yes) {
      std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: see the top
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: see the top
    }
#else
    static_cast<void>(begun);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: see the top
#endif
    if (cancel_was_requested()) [[unlikely]]
      claim_and_notify(epoch(), static_cast<std::int32_t>(wake_reason::cancelled));
  }

  /// The epoch of the present wait. Owner.
  [[nodiscard]] std::uint32_t epoch() const noexcept {
    // relaxed: the owner wrote it
    return static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed) >> epoch_shift);
  }

  /// Any thread that found the waiter: true for the one who may, and must, decide how wait `epoch` ends.
  [[nodiscard]] bool claim(std::uint32_t epoch) noexcept {
    // relaxed: only a starting value for the exchange below
    auto seen = word_.load(std::memory_order_relaxed);
    do {
      if (seen >> epoch_shift != epoch || (seen & claimed_bit)) return false;
      // acquire: the claimer comes after all that the waiter did before it began; pairs with begin_wait(). release: a
      // waiter that finds its wait claimed is ordered after the claim.
    } while (
        !word_.compare_exchange_weak(seen, seen | claimed_bit, std::memory_order_acq_rel, std::memory_order_relaxed));
    return true;
  }

  /// Whoever claimed: delivers `reason` and lets the task go on. The waiter's frame may be gone on return.
  void notify(std::int32_t reason) noexcept {
    // release: publishes what was delivered, pairs with commit_park; acquire: sees the state saved before `parked`, for
    // make_ready
    auto before = word_.fetch_or(bits_of(reason) | notified_bit, std::memory_order_acq_rel);
    if (before & parked_bit) make_ready();
  }

  /// Who decided how a wait ends: others, or the caller, who found the task running on, or parked and to be made ready.
  enum class decision : std::uint8_t { by_others, of_running, of_parked };

  /// claim() and notify() in one step, for a waker that holds a lock: leaves it to the caller to call make_ready()
  /// after it, `of_parked` a task. Until then that task, and what is on its stack, stays. What is delivered was put in
  /// place before, where only who takes the lock looks unless it was notified; `by_others`, the caller takes it back.
  [[nodiscard]] decision decide(std::uint32_t epoch, std::int32_t reason) noexcept {
    // relaxed: only a starting value for the exchange below
    auto seen = word_.load(std::memory_order_relaxed);
    do {
      if (seen >> epoch_shift != epoch || (seen & claimed_bit)) return decision::by_others;
      // acq_rel: as in claim() and notify()
    } while (!word_.compare_exchange_weak(seen, seen | claimed_bit | notified_bit | bits_of(reason),
                                          std::memory_order_acq_rel, std::memory_order_relaxed));
    return (seen & parked_bit) != 0 ? decision::of_parked : decision::of_running;
  }

  /// claim() and notify() at once, for wakers that deliver nothing but the reason. The waiter's frame may be gone when
  /// it returns true.
  bool claim_and_notify(std::uint32_t epoch, std::int32_t reason) noexcept {
    const auto decided = decide(epoch, reason);
    if (decided == decision::of_parked) make_ready();
    return decided != decision::by_others;
  }

  /// Owner, state saved: true when the task is parked, and then may be running elsewhere already; false when it was
  /// notified first and must go on.
  [[nodiscard]] bool commit_park() noexcept {
    // release: publishes the saved state, pairs with notify; acquire: sees what the notifier delivered
    auto before = word_.fetch_or(parked_bit, std::memory_order_acq_rel);
    return (before & notified_bit) == 0;
  }

  /// Owner: commit_park() would return false.
  [[nodiscard]] bool was_notified() const noexcept {
    // relaxed: commit_park() sees what the notifier delivered
    return (word_.load(std::memory_order_relaxed) & notified_bit) != 0;
  }

  /// commit_park() for a task, `by` the carrier that runs it.
  [[nodiscard]] bool commit_park_on(carrier& by) noexcept;

  /// On the carrier that runs it, before it parks, yields or ends: from here to the end of resume() the carrier's seat
  /// does not change hands, and nobody looks at the task through the carrier.
  void leave_own_code(carrier& by) noexcept;

  /// Owner: claims its own present wait, when it finds on the way that it need not park.
  [[nodiscard]] bool claim_own() noexcept { return claim(epoch()); }

  /// Owner, after claim_own(): the wait is over and nobody will notify it.
  void end_wait_claimed() noexcept {
    // relaxed, and no read-modify-write: once the wait is claimed, nobody but the owner changes the word
    word_.store(word_.load(std::memory_order_relaxed) | notified_bit, std::memory_order_relaxed);
  }

  /// Owner: why the last wait ended.
  [[nodiscard]] std::int32_t reason() const noexcept {
    // relaxed: commit_park() acquired it, or the owner wrote it
    return static_cast<std::int32_t>((word_.load(std::memory_order_relaxed) & reason_mask) >> reason_shift) -
           reason_offset;
  }

  /// Any thread that keeps the task alive: asks it to stop. Ends its present wait unless that is shielded.
  void request_cancel() noexcept {
    // seq_cst: before the look that follows, see above. Its release: what was done before the request is seen by the
    // task that finds it.
    cancel_.store(true, std::memory_order_seq_cst);
    auto seen = word_.load(std::memory_order_seq_cst);  // seq_cst: see above
    if (seen & (claimed_bit | shielded_bit)) return;
    claim_and_notify(static_cast<std::uint32_t>(seen >> epoch_shift),
                     static_cast<std::int32_t>(wake_reason::cancelled));
  }

  /// Any thread that keeps the task alive: ends its present wait for `why`, unless nothing may or somebody has.
  bool end_wait(wake_reason why) noexcept {
    // acquire: the wait that the caller knows of has begun
    auto seen = word_.load(std::memory_order_acquire);
    if (seen & (claimed_bit | uninterruptible_bit)) return false;
    return claim_and_notify(static_cast<std::uint32_t>(seen >> epoch_shift), static_cast<std::int32_t>(why));
  }

  /// Any thread: a cancel was requested.
  [[nodiscard]] bool cancel_was_requested() const noexcept {
    // acquire: sees what was done before the request; pairs with request_cancel
    return cancel_.load(std::memory_order_acquire);
  }

  /// Any thread: the task was seen parked in a wait that nobody has decided. True may be stale at once, unless the
  /// caller knows that nobody else can wake it: meant for tests.
  [[nodiscard]] bool is_parked() const noexcept {
    // acquire: the caller may look at what the task did before it parked
    auto seen = word_.load(std::memory_order_acquire);
    return (seen & parked_bit) && !(seen & claimed_bit);
  }

  /// Any thread that keeps the task alive: the epoch of the wait that it is parked in and that nobody has decided; 0
  /// for none. May be stale at once.
  [[nodiscard]] std::uint64_t parked_in() const noexcept {
    // acquire: the caller may look at what the task did before it parked
    auto seen = word_.load(std::memory_order_acquire);
    return (seen & (parked_bit | claimed_bit)) == parked_bit ? seen >> epoch_shift : 0;
  }

  /// Any thread that keeps the task alive: makes sure that nobody resumes a task that is parked in wait `epoch` until
  /// let_go(). It is as if the task had not parked yet: wakers claim and notify as ever, and do not schedule it. False,
  /// and nothing happened, when that wait is decided.
  [[nodiscard]] bool hold(std::uint64_t epoch) noexcept {
    // relaxed: only a starting value for the exchange below
    auto seen = word_.load(std::memory_order_relaxed);
    do {
      if (seen >> epoch_shift != epoch || (seen & (parked_bit | claimed_bit)) != parked_bit) return false;
      // acquire: the state that the task saved before it parked; release: passed on to whoever notifies it
    } while (
        !word_.compare_exchange_weak(seen, seen & ~parked_bit, std::memory_order_acq_rel, std::memory_order_relaxed));
    return true;
  }

  /// Whoever holds the task: parks it again, or schedules it when it was notified meanwhile.
  void let_go() noexcept {
    if (!commit_park()) make_ready();
  }

  /// Whoever holds the task, while nobody can write to it: the word as let_go() would leave it, where it lies; 0 when
  /// the wait is decided.
  [[nodiscard]] std::uint64_t word_when_let_go() const noexcept {
    // relaxed: nobody writes it
    auto seen = word_.load(std::memory_order_relaxed);
    return (seen & claimed_bit) != 0 ? 0 : seen | parked_bit;
  }
  [[nodiscard]] const void* word_address() const noexcept { return &word_; }

  /// Starts to load what resuming the task will need, for who wakes many that have slept for long: their memory is far
  /// away, and is to come all at the same time. Where a task has a stack, its control block lies at the top and its
  /// innermost frames right below. A hint.
  void prefetch() const noexcept {
    for (int line = -4; line < 6; ++line) __builtin_prefetch(reinterpret_cast<const char*>(this) + line * 64, 1);
  }

  /// The scheduler that runs the task; null for an OS thread.
  [[nodiscard]] scheduler* home() const noexcept { return home_; }

  /// Before it is scheduled for the first time: the carrier that begins it, and no other, runs it to its end.
  void stay_on_thread() noexcept { owe_short_runs(one_thread); }
  [[nodiscard]] bool stays_on_thread() const noexcept { return short_runs_owed() == one_thread; }

  /// Of a task that stays: the carrier that has begun it; null before that. Whoever is about to run it.
  [[nodiscard]] virtual carrier* stays_on() const noexcept { return nullptr; }

 protected:
  /// Whether a task that leaves may switch to this one, as <weft/sched/detail/direct_switch.hpp> has it.
  enum class has_stack : bool { no, yes };
  explicit runnable(scheduler* home, has_stack own = has_stack::no) noexcept
      : home_{home}, has_stack_{own == has_stack::yes} {}

 private:
  friend class carrier;
  friend class carrier_pool;
  friend class global_queue;
  friend class run_queue;
  friend class seat;
  friend bool settle(carrier&, runnable&, enum leave_reason) noexcept;

  // The word: epoch (32 bits) | reason (24) | bits (8). An epoch comes again after four thousand million waits of one
  // task: a claimer holds the object's lock, or has looked an instant ago, so that it cannot meet the same one twice.
  static constexpr std::uint64_t parked_bit = 1, claimed_bit = 2, notified_bit = 4, shielded_bit = 8,
                                 uninterruptible_bit = 16;
  static constexpr int reason_shift = 8, epoch_shift = 32;
  static constexpr std::int32_t reason_offset = 3;  // the least reason is -3, and is stored as 0
  static constexpr std::uint64_t next_epoch = std::uint64_t{1} << epoch_shift, epoch_mask = ~(next_epoch - 1);
  static constexpr std::uint64_t reason_mask = (next_epoch - 1) & ~std::uint64_t{0xff};

  [[nodiscard]] static std::uint64_t bits_of(std::int32_t reason) noexcept {
    return static_cast<std::uint64_t>(reason + reason_offset) << reason_shift;
  }

  std::atomic<std::uint64_t> word_{claimed_bit | notified_bit};
  scheduler* home_ = nullptr;
  runnable* next_ = nullptr;  // in the global queue
  std::atomic<bool> cancel_{false};
  const bool has_stack_ = false;
  // How many more short runs in a row it owes before it may run on a seat again; 0: it may; `one_thread`: it runs on
  // one carrier. Written by the carrier that runs it, or by the watchdog while it decides about that carrier's seat:
  // the task may look meanwhile.
  static constexpr std::uint8_t one_thread = 255;
  // relaxed, both: a number
  [[nodiscard]] std::uint8_t short_runs_owed() const noexcept {
    return short_runs_owed_.load(std::memory_order_relaxed);
  }
  void owe_short_runs(std::uint8_t count) noexcept { short_runs_owed_.store(count, std::memory_order_relaxed); }
  std::atomic<std::uint8_t> short_runs_owed_{0};
  int error_number_ = 0;  // its errno, while others run on its carrier
};

/// A waiter in the list of the object it waits on. Lives in the waiter's frame, until the object's lock has been taken
/// after the wait was decided.
struct wait_node : base::list_hook {
  runnable* task = nullptr;
  std::uint32_t epoch = 0;
  // The two share a word, which each writes alone: the waiter before it arms the node, the claimer after it claimed.
  // From arming on until it was notified the waiter does not even read it.
  std::int32_t case_index : 31 = 0;
  /// The wait was claimed through this node. Written by the claimer, read by the waiter once it was notified.
  bool claimed : 1 = false;

  /// Under the object's lock: true for the one waker that may deliver. After false, do not touch the waiter again,
  /// but for unlinking its node.
  [[nodiscard]] bool claim() noexcept {
    if (!task->claim(epoch)) return false;
    claimed = true;
    return true;
  }

  /// claim() and notify() at once, where nothing is delivered. After true the node is gone; `claimed` stays as it was.
  bool claim_and_notify() noexcept { return task->claim_and_notify(epoch, case_index); }

  /// See runnable::decide(). Under the object's lock, the node taken out of its list. `of_running`: the node is gone.
  [[nodiscard]] runnable::decision decide() noexcept { return task->decide(epoch, case_index); }

  /// The waiter, once its wait is over: whether this node's case ended it.
  [[nodiscard]] bool ended_the_wait() const noexcept { return task->reason() == case_index; }

  /// After claim() and delivery, best after the object's lock was let go. The node is gone on return.
  void notify() noexcept { task->notify(case_index); }
};

}  // namespace weft::sched
