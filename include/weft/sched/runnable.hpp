#pragma once

#include <atomic>
#include <cstdint>
#include <source_location>
#include <string_view>

#include <weft/base/intrusive_list.hpp>

namespace weft::sched {

class carrier;
class scheduler;

/// Why a wait ended, when it was not one of its own cases (those count from 0).
enum class wake_reason : std::int32_t { timed_out = -2, cancelled = -1, first_case = 0 };

/// Whether a request to cancel ends a wait.
enum class cancellable : bool { no, yes };

// Something to resume, and the one word that every wait in weft goes through.
//
// A wait has an epoch; the word holds the epoch of the present (or last) wait and five bits:
//
//   claimed   somebody, and nobody else, decides how this wait ends: a waker, a timer or a canceller
//   notified  the decision is delivered; the task may go on
//   parked    the task's state is saved; whoever sets `notified` must schedule it
//   shielded  a cancel request does not claim this wait
//   cancel    a request to cancel was made; stays for the task's life
//
//   between waits                      claimed | notified (so nobody can claim)
//   begin():   next epoch, all clear   owner. From here on wakers find the task through the objects it waits on
//   claim():   + claimed               any one thread, if the epoch still is the waiter's and nobody was first
//   notify():  + notified              that thread, after it delivered. If `parked` was set it schedules the task;
//                                      otherwise the task finds `notified` when it tries to park, and goes on
//   commit_park(): + parked            owner, its state saved. If `notified` was set it does not park
//
// Why nothing is lost: claim() succeeds once per epoch, and of notify() and commit_park(), both read-modify-writes of
// one location, the later sees the earlier. Why the word may be touched by a waker late: the epoch is checked in the
// same exchange that claims, and the word lives in the task, which outlives everyone who holds a reference or a node.

/// Something that the scheduler can resume, or an OS thread that can be woken.
/// Thread: as each member says.
class runnable {
 public:
  runnable() = default;
  runnable(const runnable&) = delete;
  runnable& operator=(const runnable&) = delete;
  virtual ~runnable() = default;

  /// Runs the task until it parks, yields or ends. Called on a carrier, by the scheduler only.
  virtual void resume() noexcept = 0;

  /// Makes a parked task run again: by default, hands it to its scheduler. Called by whoever notified it.
  virtual void make_ready() noexcept;

  /// What to call it in reports.
  struct identity {
    std::string_view name = {};  ///< empty when it has none
    std::source_location spawned_at = {};
  };
  [[nodiscard]] virtual identity who() const noexcept { return {}; }

  /// Owner: starts a wait. Returns false, and starts none, when the wait is cancellable and a cancel was requested.
  [[nodiscard]] bool begin_wait(cancellable how) noexcept {
    // acquire: a task that finds the request sees what was done before it; pairs with request_cancel. Between waits
    // only the owner changes anything but `cancel`.
    auto seen = word_.load(std::memory_order_acquire);
    auto next = next_epoch - (seen & own_bits) + (how == cancellable::no ? shielded_bit : 0);
    if (how == cancellable::yes && (seen & cancel_bit)) return false;
    // release: whoever ends this wait writes its reason after the owner has read that of the wait before; pairs with
    // claim(). A waker has that from the lock of the object it found the waiter in as well, a canceller only from here.
    // acquire: as above.
    seen = word_.fetch_add(next, std::memory_order_acq_rel);
    if (how == cancellable::yes && (seen & cancel_bit)) {
      end_wait_unstarted();
      return false;
    }
    return true;
  }

  /// The epoch of the present wait. Owner.
  [[nodiscard]] std::uint64_t epoch() const noexcept {
    // relaxed: the owner wrote it
    return word_.load(std::memory_order_relaxed) >> epoch_shift;
  }

  /// Any thread that found the waiter: true for the one who may, and must, decide how wait `epoch` ends.
  [[nodiscard]] bool claim(std::uint64_t epoch) noexcept {
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
    reason_ = reason;
    // release: publishes the reason and what was delivered, pairs with commit_park and with wait_decided;
    // acquire: sees the state saved before `parked`, for make_ready
    auto before = word_.fetch_or(notified_bit, std::memory_order_acq_rel);
    if (before & parked_bit) make_ready();
  }

  /// Owner, state saved: true when the task is parked, and then may be running elsewhere already; false when it was
  /// notified first and must go on.
  [[nodiscard]] bool commit_park() noexcept {
    // release: publishes the saved state, pairs with notify; acquire: sees what the notifier delivered
    auto before = word_.fetch_or(parked_bit, std::memory_order_acq_rel);
    return (before & notified_bit) == 0;
  }

  /// commit_park() for a task, on the carrier that runs it.
  [[nodiscard]] bool commit_park_on_carrier() noexcept;

  /// On the carrier that runs it, before it parks, yields or ends: from here to the end of resume() the carrier's seat
  /// does not change hands, and nobody looks at the task through the carrier.
  void leave_own_code() noexcept;

  /// Owner: claims its own present wait, when it finds on the way that it need not park.
  [[nodiscard]] bool claim_own() noexcept { return claim(epoch()); }

  /// Owner, after claim_own(): the wait is over and nobody will notify it.
  void end_wait_claimed() noexcept {
    // relaxed: nobody but the owner acts on `notified` once the wait is claimed
    word_.fetch_or(notified_bit, std::memory_order_relaxed);
  }

  /// Owner: why the last wait ended.
  [[nodiscard]] std::int32_t reason() const noexcept { return reason_; }

  /// Any thread that keeps the task alive: asks it to stop. Ends its present wait unless that is shielded.
  void request_cancel() noexcept {
    // acq_rel: what was done before the request is seen by the task that finds it
    auto seen = word_.fetch_or(cancel_bit, std::memory_order_acq_rel);
    if (seen & (claimed_bit | shielded_bit)) return;
    if (claim(seen >> epoch_shift)) notify(static_cast<std::int32_t>(wake_reason::cancelled));
  }

  /// Any thread: a cancel was requested.
  [[nodiscard]] bool cancel_was_requested() const noexcept {
    // acquire: pairs with request_cancel
    return word_.load(std::memory_order_acquire) & cancel_bit;
  }

  /// Any thread: the task was seen parked in a wait that nobody has decided. True may be stale at once, unless the
  /// caller knows that nobody else can wake it: meant for tests.
  [[nodiscard]] bool is_parked() const noexcept {
    // acquire: the caller may look at what the task did before it parked
    auto seen = word_.load(std::memory_order_acquire);
    return (seen & parked_bit) && !(seen & claimed_bit);
  }

  /// The scheduler that runs the task; null for an OS thread.
  [[nodiscard]] scheduler* home() const noexcept { return home_; }

 protected:
  explicit runnable(scheduler* home) noexcept : home_{home} {}

 private:
  friend class carrier_pool;
  friend class global_queue;
  friend class run_queue;
  friend class seat;

  static constexpr std::uint64_t parked_bit = 1, claimed_bit = 2, notified_bit = 4, shielded_bit = 8, cancel_bit = 16;
  static constexpr std::uint64_t own_bits = parked_bit | claimed_bit | notified_bit | shielded_bit;
  static constexpr int epoch_shift = 8;
  static constexpr std::uint64_t next_epoch = 1u << epoch_shift;

  void end_wait_unstarted() noexcept {
    // relaxed: the wait was not registered with anybody; a canceller that claimed it meanwhile only has to be
    // allowed to finish
    if (claim_own()) {
      word_.fetch_or(notified_bit, std::memory_order_relaxed);
    } else {
      wait_until_notified();
    }
  }

  /// Owner: spins until the canceller between its claim and its notify is done: a few instructions.
  void wait_until_notified() const noexcept;

  std::atomic<std::uint64_t> word_{claimed_bit | notified_bit};
  scheduler* home_ = nullptr;
  runnable* next_ = nullptr;  // in the global queue
  std::int32_t reason_ = 0;
  // How many more short runs in a row it owes before it may run on a seat again; 0: it may. Written by the carrier that
  // runs it, or by the watch while it decides about that carrier's seat.
  std::uint8_t beside_ = 0;
};

/// A waiter in the list of the object it waits on. Lives in the waiter's frame, until the object's lock has been taken
/// after the wait was decided.
struct wait_node : base::list_hook {
  runnable* task = nullptr;
  std::uint64_t epoch = 0;
  std::int32_t case_index = 0;
  /// The wait was claimed through this node. Written by the claimer, read by the waiter once it was notified.
  bool claimed = false;

  /// Under the object's lock: true for the one waker that may deliver. After false, do not touch the waiter again,
  /// but for unlinking its node.
  [[nodiscard]] bool claim() noexcept {
    if (!task->claim(epoch)) return false;
    claimed = true;
    return true;
  }

  /// After claim() and delivery, best after the object's lock was let go. The node is gone on return.
  void notify() noexcept { task->notify(case_index); }
};

}  // namespace weft::sched
