#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <source_location>
#include <vector>

#include <weft/sched/detail/scheduler.hpp>

#include "weft/sched/detail/carrier.hpp"

namespace weft::sched {

/// All OS threads of a scheduler: those on its seats, spare ones that wait for a seat to be handed to them, and those
/// that lost theirs, which run without a seat what is known to compute or block.
/// Thread: any, but for what says otherwise.
class carrier_pool {
 public:
  explicit carrier_pool(scheduler& owner) noexcept : owner_{owner} {}

  /// Starts a carrier that sits on `place`.
  void start_on(seat& place);

  /// A spare carrier, started if there is none; null when no thread can be started.
  [[nodiscard]] carrier* take_spare();
  /// Hands it back unused.
  void give_back(carrier& spare) noexcept;
  /// Sits down on `place`, whose `sitter` it is already.
  void seat_spare(carrier& spare, seat& place) noexcept;
  /// Starts a spare for the next time, and joins those that have finished.
  void prepare_spare() noexcept;

  /// Runs `task` on a carrier that has no seat.
  void run_seatless(runnable& task) noexcept;

  /// On the seat of `self`, which is to run a task that does not run on just any: whether it may. Otherwise it was
  /// handed to whoever does: those without a seat, or the carrier where it stays.
  [[nodiscard]] bool runs_on(carrier& self, runnable& task) noexcept;
  [[nodiscard]] std::size_t seatless_waiting() const noexcept { return waiting_.size(); }
  /// How many tasks were taken from those that wait to run without a seat. Statistics and the watchdog.
  [[nodiscard]] std::uint64_t seatless_begun() const noexcept {
    // relaxed: a number
    return seatless_begun_.load(std::memory_order_relaxed);
  }
  /// How many runs there were without a seat, those of tasks that stay on a thread included.
  [[nodiscard]] std::uint64_t resumed() const noexcept {
    // relaxed: a number
    return resumed_.load(std::memory_order_relaxed);
  }
  /// How many tasks run without a seat, but for those that lost their seat and have not parked since.
  [[nodiscard]] std::size_t seatless_running() const noexcept {
    // relaxed: a number
    return seatless_running_.load(std::memory_order_relaxed);
  }
  /// One more thread for those that wait: those there are do not get to them.
  void add_seatless_carrier() noexcept;

  /// What `thread` has used of a core so far, and its number to the system. Any thread that knows it is not joined.
  [[nodiscard]] static std::chrono::nanoseconds cpu_time(carrier& one) noexcept;
  [[nodiscard]] int thread_id(carrier& one) noexcept;
  /// From now on the system runs it after the seats' carriers. It cannot be undone without privilege.
  void lower_priority(carrier& one) noexcept;

  /// The calling carrier is about to park, yield or end `task`: judges how long it ran without a seat. Compute
  /// carriers' runs do not count.
  void settle_debt(carrier& by, runnable& task) noexcept;
  /// The watchdog, while it decides: `task` runs without a seat from now on, until settle_debt() lets it back.
  static void bar_from_seats(runnable& task) noexcept;
  /// A run of a task without a seat.
  struct long_run {
    std::source_location spawned_at;
    std::string name;
    std::chrono::steady_clock::time_point began;
    std::chrono::nanoseconds on_cpu{};
    int thread_id = 0;
    carrier* by = nullptr;
  };
  /// The watchdog: those that began before `before`, still go on, and were not set_reported().
  /// Throws std::bad_alloc.
  [[nodiscard]] std::vector<long_run> find_long_runs(std::chrono::steady_clock::time_point before);
  /// The watchdog, before it calls prepare_spare() again, which may end the carrier.
  void set_reported(const long_run& run) noexcept;
  /// The watchdog: notes of the runs without a seat that have gone on for longer than a short one whether they are
  /// blocked at present.
  void note_blocked(std::chrono::steady_clock::time_point present);
  /// Whether runs without a seat go on that were not reported.
  [[nodiscard]] bool may_have_long_runs() noexcept;
  /// Whether no task waits to run without a seat, and none does, those included that lost their seat and have not
  /// parked since.
  [[nodiscard]] bool no_seatless_work() noexcept;
  /// The watchdog, while it decides that `stuck` loses its seat: its run began at `began`.
  static void note_run(carrier& stuck, std::chrono::steady_clock::time_point began, const runnable::identity& who,
                       std::chrono::nanoseconds cpu_before) noexcept {
    stuck.note_run(began, who, cpu_before);
  }
  void set_short_run(std::chrono::nanoseconds shorter_than) noexcept { short_run_ = shorter_than; }

  /// Lets all go home and joins them. The seats' drivers were woken. Again: nothing.
  void stop() noexcept;

 private:
  static constexpr std::size_t most_seatless = 256;  // as many as blocking() has

  carrier& start(seat* place);
  void announce_arrival() noexcept;
  static void join(std::list<carrier>& finished) noexcept;
  void work(carrier& self) noexcept;
  void work_seatless(carrier& self) noexcept;
  void end_counting(carrier& self) noexcept;
  /// A run without a seat begins.
  static void begin_run(carrier& self, const runnable& task) noexcept;
  void serve_thread_bound(carrier& self) noexcept;
  [[nodiscard]] seat* wait_for_seat(carrier& self);

  scheduler& owner_;
  std::chrono::nanoseconds short_run_{};
  struct inspected {
    carrier* by;
    std::chrono::steady_clock::rep began;
    int thread_id;
  };
  std::vector<inspected> inspected_;  // note_blocked()'s
  global_queue waiting_;
  // Counts what was pushed to waiting_, and wakes those who wait for that. Not a condition variable, in which a seat's
  // carrier that wakes one may have to wait for another of them to get a core at its low priority.
  std::atomic<std::uint32_t> arrived_{0};
  std::atomic<std::uint64_t> seatless_begun_{0}, resumed_{0};
  std::atomic<std::size_t> seatless_running_{0};

  std::mutex mutex_;  // guards what follows
  std::list<carrier> carriers_;
  std::vector<carrier*> spares_;
  std::size_t seatless_ = 0;       // carriers that have lost their seat and are not finished
  std::size_t idle_seatless_ = 0;  // of those, the ones that wait for a task
  bool stopping_ = false;
};

}  // namespace weft::sched
