#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include <weft/base/containers.hpp>
#include <weft/base/detail/event_count.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/sched/detail/fork.hpp>
#include <weft/sched/detail/runnable.hpp>
#include <weft/sched/driver.hpp>
#include <weft/sched/watchdog.hpp>

namespace weft::sched {

class carrier_pool;
class held_driver;
class seat;
class watchdog;

/// How many cores the process may run on: its affinity mask.
[[nodiscard]] std::size_t available_cores() noexcept;

struct scheduler_options {
  /// How many seats; 0: as many as the process may use cores.
  std::size_t seats = 0;
  /// Where a seat waits; empty: the parking driver.
  driver_factory make_driver = {};
  /// Off under a virtual clock, whatever this says.
  watchdog_options watchdog = {};
};

/// Who is told when a seat that waited has something to run.
enum class busy_listener : std::uint8_t { hibernation, deadlocks };

/// Told when every seat waits and nothing is due.
class asleep_observer {
 public:
  /// Returns whether to ask again after a while, which happens a few times.
  /// Thread: the watchdog's, which then sleeps.
  [[nodiscard]] virtual bool on_asleep() = 0;

 protected:
  ~asleep_observer() = default;
};

/// What the scheduler has done since it started.
struct scheduler_statistics {
  std::uint64_t resumed = 0;      ///< tasks resumed, on seats, without one and by compute()
  std::uint64_t stolen = 0;       ///< tasks taken from another seat's queue
  std::uint64_t idle_waits = 0;   ///< times a seat waited in its driver with nothing to run
  std::uint64_t handed_over = 0;  ///< times a seat was taken from a task that did not park
};

/// Tasks that are ready to run and came from no seat: first in, first out.
/// Thread: any.
class global_queue {
 public:
  void push(runnable& task) noexcept;
  /// Up to `most` tasks into `into`; returns how many.
  [[nodiscard]] std::size_t pop(runnable** into, std::size_t most) noexcept;
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  base::spin_lock lock_;
  runnable* head_ = nullptr;
  runnable* tail_ = nullptr;
  std::atomic<std::size_t> size_{0};
};

/// Runs tasks on seats: one run queue, timer wheel and driver each, work stealing between them, one carrier on each.
///
/// Fairness: a task that was woken or yields waits behind at most those that were so on its seat before it; between two
/// of them come at most a streak of 16 that hand to each other and a streak of 16 new ones. New tasks run the newest
/// first; every 61 resumptions the oldest of them joins the others, and the global queue is looked at, and the driver
/// if that was 20 us ago, or 16 such looks.
/// Idle seats wait in their drivers and use no CPU.
/// Thread: any, but for what says otherwise.
class scheduler {
 public:
  /// Starts the carriers.
  explicit scheduler(scheduler_options options);
  /// Stops, if that was not done yet. No task may be left: the task layer sees to it.
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  /// Makes `task` run: next on the calling seat, or through the global queue from elsewhere.
  void schedule(runnable& task) noexcept;

  /// Makes `task` run after everything that is ready on the calling seat already.
  void schedule_last(runnable& task) noexcept;

  /// Makes `task`, which has not run yet, run before what was spawned on the calling seat earlier.
  void schedule_spawned(runnable& task) noexcept;

  [[nodiscard]] std::size_t seat_count() const noexcept { return seats_.size(); }
  [[nodiscard]] scheduler_statistics statistics() const noexcept;

  /// The spawn sites whose tasks kept a seat for longer than a slice. Empty when the watchdog is off.
  [[nodiscard]] plain::vector<stall_site> stalls() const;

  /// Work that happens outside of the seats (a blocking call, a computation) and will wake a task. While there is any,
  /// a virtual clock stands still.
  void external_work_started() noexcept;
  void external_work_ended() noexcept;

  /// Lets the carriers finish what they run, and joins them. No task may be left. Not from a task.
  void stop() noexcept;

  /// An OS thread that belongs to nobody's seat, but computes for the tasks of this scheduler, has something to run.
  void compute_started() noexcept {
    // relaxed: numbers
    compute_runs_.fetch_add(1, std::memory_order_relaxed);
    compute_busy_.fetch_add(1, std::memory_order_relaxed);
  }
  void compute_ended() noexcept {
    // relaxed: a number
    compute_busy_.fetch_sub(1, std::memory_order_relaxed);
  }

  /// Whether every seat waits with nothing to run. May be old at once.
  [[nodiscard]] bool all_seats_idle() const noexcept;

  /// The same, and no work goes on outside that will wake a task. May be old at once.
  [[nodiscard]] bool all_idle() const noexcept;

  /// Whether every seat waits with nothing to run, no task runs without a seat, no timer is armed, and no work goes on
  /// outside that will wake a task. Input may come: see awaits_input(). May be old at once.
  [[nodiscard]] bool nothing_is_due() noexcept;

  /// Whether some task waits for something from outside. May be old at once.
  [[nodiscard]] bool awaits_input() const noexcept;

  /// Notified whenever a seat that waited has something to run; null for none. The event count outlives the carriers.
  void notify_when_busy(busy_listener which, base::event_count* listener) noexcept {
    // release: publishes the event count; pairs with become_idle()
    busy_listeners_[static_cast<std::size_t>(which)].store(listener, std::memory_order_release);
  }

  /// Where the watchdog is on: tells `observer` from now on. It outlives the carriers.
  void notify_when_asleep(asleep_observer& observer) noexcept {
    // release: publishes the observer; pairs with the watchdog
    asleep_observer_.store(&observer, std::memory_order_release);
  }

  /// The scheduler of the calling carrier; null on a plain OS thread.
  [[nodiscard]] static scheduler* current() noexcept;

 private:
  friend class carrier_pool;
  friend class held_driver;
  friend class runnable;
  friend class seat;
  friend class timer_entry;
  friend class watchdog;
  friend bool settle(carrier&, runnable&, leave_reason) noexcept;
  friend void begin_blocking() noexcept;

  [[nodiscard]] carrier_pool& carriers() noexcept { return *carriers_; }
  [[nodiscard]] seat& any_seat() noexcept { return *seats_.front(); }
  [[nodiscard]] bool cores_are_taken() const noexcept;
  void push_arrival(runnable& task) noexcept;
  void wake_one() noexcept;
  [[nodiscard]] std::size_t visible_work() const noexcept;
  void become_idle(seat& self) noexcept;
  void advance_virtual_clock() noexcept;

  thread_owner threads_;
  plain::vector<std::unique_ptr<seat>> seats_;
  std::unique_ptr<carrier_pool> carriers_;
  std::unique_ptr<class watchdog> watchdog_;  // off, it only serves tasks that say that they block
  global_queue arrivals_;

  std::mutex idle_mutex_;      // guards idle_
  plain::vector<seat*> idle_;  // seats that wait in their drivers and were not woken yet
  std::atomic<std::size_t> idle_count_{0};
  std::atomic<std::size_t> searching_{0};
  std::atomic<std::size_t> external_work_{0};
  std::atomic<std::uint64_t> compute_runs_{0};
  std::atomic<std::size_t> compute_busy_{0};
  std::atomic<std::size_t> pushing_arrivals_{0};  // how many are in push_arrival()
  std::atomic<bool> stopping_{false};
  std::array<std::atomic<base::event_count*>, 2> busy_listeners_{};  // indexed by busy_listener
  std::atomic<asleep_observer*> asleep_observer_{nullptr};
};

/// The scheduler one of whose own carriers the calling OS thread is, while it runs a task; otherwise null.
[[nodiscard]] scheduler* scheduler_to_block() noexcept;
/// On such a thread: the task is about to block it, as a coroutine does that waits in a blocking form. The seat, if the
/// carrier has one, goes to another OS thread at once.
void begin_blocking() noexcept;
/// The task goes on. Whoever ended its wait has called external_work_started() before, so that a virtual clock does not
/// move on first.
void end_blocking() noexcept;

/// Tells the calling task, by runnable::was_blocked(), of the time that it kept its OS thread blocked for up to now. It
/// is told as well whenever it parks, yields or ends. Nothing on a plain OS thread.
void charge_blocked_time() noexcept;

/// The task that the calling carrier runs; null when it runs none or is a plain OS thread. Never inlined, so that no
/// compiler keeps the thread's address across a park.
[[nodiscard]] runnable* current_runnable() noexcept;

}  // namespace weft::sched
