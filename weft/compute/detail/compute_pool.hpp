#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <source_location>
#include <utility>

#include <weft/base/containers.hpp>
#include <weft/base/detail/intrusive_list.hpp>
#include <weft/compute/compute_statistics.hpp>
#include <weft/compute/detail/compute_carrier.hpp>
#include <weft/sched/detail/scheduler.hpp>

namespace weft {

namespace detail {

class topology;
class virtual_thread;

/// A computation that waits for a carrier. Linked, not owned.
class compute_job : public base::list_hook {
 protected:
  ~compute_job() = default;

  /// How what was taken from the queue begins.
  enum class beginning : std::uint8_t {
    here,       ///< by run()
    as_task,    ///< the carrier resumes a task
    by_itself,  ///< a task that had not parked yet will move to a carrier
    not_at_all  ///< it was left meanwhile
  };
  /// Under the pool's mutex, on a carrier. It may be gone on return, but `here`; `as_task` says which.
  [[nodiscard]] virtual beginning begin(virtual_thread*&) noexcept { return beginning::here; }
  /// On a carrier. It may be gone on return.
  virtual void run(compute_carrier& on) noexcept = 0;

 private:
  friend class compute_pool;
  std::chrono::steady_clock::time_point queued_at_{};
  bool in_order_ = true;
};

/// The compute carriers: OS threads below the seats in priority, started when there is something for one more to do,
/// at most as many as was said. They run compute() calls and fork-join computations; what was started comes first: a
/// carrier without work takes a task that has waited and can go on, or what such a task has begun, or steals from the
/// others, before it takes from the queue, unless what is there waits for longer than `patience`. One that finds
/// nothing looks for `awake`, then sleeps. It steals from those whose cores share its last-level cache first.
///
/// Carriers resume virtual threads as the scheduler's do, as carriers of the scheduler without a seat: those in whose
/// place compute() put them, from their turn until the end of the call. Such a task that waits leaves its carrier to
/// others. Fork-join code runs on the carrier's own stack: where that waits, another carrier takes its place for as
/// long, if there is work for one, and rests when the first is back.
///
/// Such code that waits for a computation that it has begun itself helps with that: its carrier steals what belongs to
/// that computation, or is nested in it, and nothing else. For whatever it runs there runs above the waiter, on the
/// same stack, while the waiter may hold locks. When it finds nothing, it waits as for anything else.
///
/// Sleep and wake: a carrier that goes to sleep enters the list of sleepers, calls for each other's attention, executes
/// a heavy fence, and looks once more. Whoever pushes a frame looks for such a call after the push: one of the two
/// sees the other. Carriers that were not started yet count as asleep. Jobs are queued under the mutex under which
/// sleepers enter their list.
/// Thread: any.
/// Lifetime: every job has run before the destructor, which joins the threads, returns.
class compute_pool {
 public:
  /// `longest_queue`: see runtime_options::compute_queue.
  compute_pool(sched::scheduler& home, std::size_t most_carriers, std::size_t longest_queue);
  ~compute_pool() { stop(); }
  compute_pool(const compute_pool&) = delete;
  compute_pool& operator=(const compute_pool&) = delete;

  /// When a job is taken: after all that were queued before; the same, but only if the queue is not full; or before
  /// all that have not begun, for what was begun by something that has.
  enum class entry : std::uint8_t { in_order, in_order_if_room, first };
  enum class submission : std::uint8_t { queued, full, no_thread };
  /// Has `job` begun by a carrier, unless the queue is full, or the system refuses the very first thread.
  [[nodiscard]] submission submit(compute_job& job, entry how) noexcept;
  /// A task that carriers run can go on.
  void resume(virtual_thread& task) noexcept;
  /// On a carrier: runs `task`, for which external_work_started() was called, until it waits, ends or leaves.
  void run_task(compute_carrier& self, virtual_thread& task) noexcept;

  /// The calling carrier waits in place, or does so no more.
  void carrier_blocks() noexcept;
  void carrier_resumes() noexcept;

  /// Joins the carriers. No task is left. Again: nothing.
  void stop() noexcept;

  /// Takes back what has not begun. False: it has, or has ended.
  [[nodiscard]] bool withdraw(compute_job& job) noexcept;

  /// No new child of `root` begins.
  void stop_computation(fork_root& root, errc why) noexcept;

  /// What a carrier waits for in place.
  struct awaited {
    const fork_root& root;
    const std::atomic<bool>& ended;
    [[nodiscard]] bool is_over() const noexcept {
      // acquire: what the computation did; pairs with its end
      return ended.load(std::memory_order_acquire);
    }
  };
  /// Runs what there is to steal of a computation that the carrier began, until that is over. The carrier is woken by
  /// wake(), after the flag is set.
  static void help(compute_carrier& self, const awaited& what) noexcept;
  static void wake(compute_carrier& carrier) noexcept { carrier.event_count_.notify(); }

  /// A carrier has pushed a frame, and somebody wanted to know.
  void wake_for_frames() noexcept {
    // seq_cst: after the carrier has let itself be called anew; pairs with fall_asleep()
    if (asleep_.load(std::memory_order_seq_cst) != 0) wake_one();
  }

  void note(const std::source_location& called_at, std::chrono::nanoseconds took) noexcept;
  void note_lost_exceptions(std::size_t count) noexcept {
    // relaxed: a number
    exceptions_lost_.fetch_add(count, std::memory_order_relaxed);
  }
  [[nodiscard]] plain::vector<compute_site> sites() const;
  [[nodiscard]] compute_statistics statistics() const noexcept;
  [[nodiscard]] std::size_t most_carriers() const noexcept { return most_; }

 private:
  /// Something from the queues: a job that is run here, or a task.
  struct taken {
    compute_job* job = nullptr;
    virtual_thread* task = nullptr;
    [[nodiscard]] explicit operator bool() const noexcept { return job || task; }
  };
  static constexpr std::size_t most_spares = 64;
  static constexpr std::chrono::microseconds awake{50};
  static constexpr std::chrono::milliseconds patience{10};

  void work(compute_carrier& self) noexcept;
  // Of these, `waits_for` is null for a carrier that takes whatever there is.
  [[nodiscard]] bool search(compute_carrier& self, const awaited* waits_for) noexcept;
  [[nodiscard]] bool run_one(compute_carrier& self, const awaited* waits_for) noexcept;
  enum class victims : bool { near, all };
  [[nodiscard]] fork_frame* steal(compute_carrier& self, const awaited* waits_for) noexcept;
  [[nodiscard]] fork_frame* steal_from(compute_carrier& self, victims which, const awaited* waits_for) noexcept;
  [[nodiscard]] taken take() noexcept;
  [[nodiscard]] taken take_oldest(base::intrusive_list<compute_job>& from) noexcept;
  [[nodiscard]] bool call_carrier(std::unique_lock<std::mutex>& lock, std::size_t before) noexcept;
  [[nodiscard]] bool fall_asleep(compute_carrier& self) noexcept;
  void mark_awake(compute_carrier& self) noexcept;
  void wake_one() noexcept;
  [[nodiscard]] compute_carrier* sleeper() const noexcept { return sleepers_.empty() ? nullptr : sleepers_.back(); }
  [[nodiscard]] bool start_carrier() noexcept;
  void suspend_surplus(compute_carrier& self) noexcept;
  void recount() noexcept;
  [[nodiscard]] std::size_t allowed() const noexcept;
  [[nodiscard]] std::size_t present() const noexcept;
  void call_for_attention() noexcept;
  [[nodiscard]] bool anything_to_steal() const noexcept;

  sched::scheduler& home_;
  const std::size_t most_, longest_queue_;
  // Made before they are counted, and never taken out: whoever has read the count may look at as many.
  std::unique_ptr<std::unique_ptr<compute_carrier>[]> carriers_;
  std::atomic<std::size_t> started_{0};
  std::atomic<std::size_t> asleep_;  // sleepers, and carriers not started yet
  std::atomic<std::size_t> searching_{0};
  std::atomic<std::size_t> queued_{0};    // jobs and tasks in the queues, for those without the mutex
  std::atomic<bool> surplus_{false};      // more carriers are up than may be
  std::atomic<std::size_t> resuming_{0};  // how many are in resume()
  std::atomic<std::uint64_t> stolen_{0}, exceptions_lost_{0};
  std::atomic<const topology*> cores_{nullptr};  // null where all cores are alike

  mutable std::mutex mutex_;  // guards all below, and the changes of asleep_, queued_, surplus_
  base::intrusive_list<compute_job> queue_;
  base::intrusive_list<compute_job> first_;  // begun by what has begun
  sched::global_queue ready_;                // tasks that can go on
  std::size_t in_order_ = 0;                 // in queue_
  std::size_t blocked_ = 0;
  std::uint64_t begun_ = 0, resumed_ = 0, refused_ = 0;
  plain::vector<compute_carrier*> sleepers_;
  plain::vector<compute_carrier*> suspended_;
  bool stopping_ = false;

  mutable std::mutex sites_mutex_;  // guards sites_
  plain::map<std::pair<const char*, std::uint_least32_t>, compute_site> sites_;
};

}  // namespace detail
}  // namespace weft
