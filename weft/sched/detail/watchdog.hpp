#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <weft/sched/detail/runnable.hpp>
#include <weft/sched/watchdog.hpp>

#include "weft/sched/detail/long_runs.hpp"

namespace weft::sched {

class carrier;
class carrier_pool;
class scheduler;
class seat;

/// The thread behind watchdog_options.
class watchdog {
 public:
  watchdog(scheduler& owner, carrier_pool& carriers, watchdog_options options);
  ~watchdog() { stop(); }
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;

  /// Starts the thread, unless it is off. After the carriers.
  void start();

  /// A carrier's task has said that it blocks: its seat is handed over at once. Starts the thread where it is off, for
  /// nothing else but that.
  /// Thread: that carrier, in its task's own code.
  void seat_is_blocked() noexcept;

  /// A seat has something to do after all were idle.
  /// Thread: any.
  void seat_is_busy() noexcept {
    // seq_cst: with the count of idle seats, see wait()
    if (asleep_.load(std::memory_order_seq_cst)) wake();
  }

  /// Joins the thread. No seat changes hands from here on.
  void stop() noexcept;

  /// Tasks that compute without a seat, or compute carriers that do so for long at a time, have all cores busy. A seat
  /// with nothing to do then rests a little before it waits for its driver: what comes in meanwhile is served at once,
  /// for half the switches between OS threads, which would be taken from those that compute.
  /// Thread: any.
  [[nodiscard]] bool cores_are_taken() const noexcept {
    // relaxed: a heuristic
    return cores_are_taken_.load(std::memory_order_relaxed);
  }
  static constexpr std::chrono::microseconds pause_when_cores_are_taken{1000};

  /// What was counted so far, a site each.
  /// Thread: any.
  [[nodiscard]] std::vector<stall_site> sites() const;

 private:
  using clock = std::chrono::steady_clock;

  /// What was last seen of a seat.
  struct observation {
    std::uint64_t resumed = 0;
    clock::time_point since{};
    std::chrono::nanoseconds cpu_time{};  // of its carrier at `since`
    bool reported = false;
    bool warned = false;  // long_runs was told
  };

  struct pending_report {
    stall event;
    const runnable* task = nullptr;
    int thread_id = 0;
    const void* place = nullptr;
    bool can_be_interrupted = false;
  };

  void work();
  /// Where the watchdog is off: hands over the seats whose tasks block.
  void serve_blocked();
  void hand_over_if_blocked(seat& one);
  /// Waits for a tick; or, after many ticks at which all was idle, until a seat is busy. False: stop.
  [[nodiscard]] bool wait();
  [[nodiscard]] bool all_is_idle() const noexcept;
  /// Waits, under `lock`, until a seat is busy; asks the asleep_observer before and, where it says so, a few times
  /// meanwhile.
  void sleep_until_busy(std::unique_lock<std::mutex>& lock);
  void wake() noexcept;
  void inspect(seat& one, observation& seen, clock::time_point present);
  enum class only_if { stuck, blocked };
  /// Returns false when the task has gone on meanwhile.
  [[nodiscard]] bool take_from(seat& one, carrier& stuck, const observation& seen, pending_report& found, only_if how);
  void add_seatless_carriers();
  void check_cores(clock::time_point present);
  /// Fills in what the task is doing.
  void explain(pending_report& found, carrier& by, const observation& seen);
  /// Counts the event. Returns whether to tell of it.
  [[nodiscard]] bool record(const stall& event, clock::time_point present);
  void deliver_reports();
  /// Notes what keeps the thread of a stuck run off its core: see blocked_time.
  void note_blocked(carrier& by, const observation& seen, clock::time_point present) noexcept;
  void note_blocked(carrier& by, const runnable* task, const observation& seen, stall_reason why) noexcept;
  void note_blocked_seatless(clock::time_point present) noexcept;
  void warn_of_long_runs(clock::time_point present) noexcept;

  scheduler& owner_;
  carrier_pool& carriers_;
  const watchdog_options options_;
  const std::chrono::nanoseconds tick_;
  std::vector<observation> seen_;
  std::uint64_t seatless_begun_ = 0;
  const std::size_t cores_;
  std::clock_t used_of_cores_ = 0;
  std::uint64_t compute_runs_ = 0;
  clock::time_point checked_cores_at_{};
  std::atomic<bool> cores_are_taken_{false};
  long_runs long_runs_{options_};
  std::vector<pending_report> pending_reports_;  // told once every seat was looked at
  unsigned idle_ticks_ = 0;

  std::mutex mutex_;  // guards stopping_ and the sleep
  std::condition_variable changed_;
  bool stopping_ = false, asked_ = false;
  std::atomic<bool> asleep_{false};

  struct site_record {
    stall_site counted;
    clock::time_point reported{};
  };
  mutable std::mutex sites_mutex_;  // guards sites_
  std::map<std::pair<const char*, std::uint_least32_t>, site_record> sites_;

  std::thread thread_;
};

}  // namespace weft::sched
