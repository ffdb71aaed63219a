#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <source_location>
#include <utility>
#include <vector>

#include <weft/base/intrusive_list.hpp>
#include <weft/task/compute_worker.hpp>

namespace weft {

/// How many OS threads of the process can compute at the same time: its affinity mask, and the CPU quota of its cgroup
/// where that is less, rounded up.
/// Thread: any.
[[nodiscard]] std::size_t available_parallelism();

/// What the compute() calls of one place in the program cost.
struct compute_site {
  std::source_location called_at;
  std::uint64_t calls = 0;
  std::chrono::nanoseconds total{};    ///< computing; waiting for a carrier not included
  std::chrono::nanoseconds longest{};  ///< the longest call
};

/// What the compute carriers have done since they started.
struct compute_statistics {
  std::size_t carriers = 0;           ///< OS threads started
  std::size_t asleep = 0;             ///< those of them that wait for something to do
  std::size_t queued = 0;             ///< computations that have not begun
  std::uint64_t begun = 0;            ///< computations begun
  std::uint64_t stolen = 0;           ///< forks that another carrier went on with
  std::uint64_t exceptions_lost = 0;  ///< thrown by parts of a computation after another one had thrown
};

namespace detail {

/// A computation that waits for a carrier. Linked, not owned.
class compute_job : public base::list_hook {
 protected:
  ~compute_job() = default;

 private:
  friend class compute_pool;
  /// On a carrier. It may be gone on return.
  virtual void run(compute_worker& on) noexcept = 0;

  std::chrono::steady_clock::time_point queued_at_{};
};

/// The compute carriers: OS threads below the seats in priority, started when there is something for one more to do,
/// at most as many as was said. They run compute() calls and fork-join computations; what was started comes first: a
/// carrier without work steals from the others before it takes from the queue, unless what is there waits for longer
/// than `patience`. One that finds nothing looks for `awake`, then sleeps.
///
/// Sleep and wake: a worker that goes to sleep enters the list of sleepers, calls for each other's attention, executes
/// a heavy fence, and looks once more. Whoever pushes a frame looks for such a call after the push: one of the two
/// sees the other. Workers that were not started yet count as asleep. Jobs are queued under the mutex under which
/// sleepers enter their list.
/// Thread: any.
/// Lifetime: every job has run before the destructor, which joins the threads, returns.
class compute_pool {
 public:
  explicit compute_pool(std::size_t most_carriers);
  ~compute_pool();
  compute_pool(const compute_pool&) = delete;
  compute_pool& operator=(const compute_pool&) = delete;

  /// Has `job` run by a carrier. When the system refuses the first thread, runs it here: nothing is lost.
  void submit(compute_job& job) noexcept;
  /// Takes back what has not begun. False: it has, or has ended.
  [[nodiscard]] bool withdraw(compute_job& job) noexcept;

  /// No new child of `root` begins.
  void stop(fork_root& root, errc why) noexcept;

  /// Runs what there is to steal until `ended`: for a worker that waits for a computation that it began. The worker is
  /// woken by wake(), after the flag is set.
  static void help(compute_worker& self, const std::atomic<bool>& ended) noexcept;
  static void wake(compute_worker& worker) noexcept { worker.bell_.ring(); }

  /// A worker has pushed a frame, and somebody wanted to know.
  void wake_for_frames() noexcept {
    // seq_cst: after the worker has let itself be called anew; pairs with fall_asleep()
    if (asleep_.load(std::memory_order_seq_cst) != 0) wake_one();
  }

  void note(const std::source_location& called_at, std::chrono::nanoseconds took) noexcept;
  void note_lost_exceptions(std::size_t count) noexcept {
    // relaxed: a number
    exceptions_lost_.fetch_add(count, std::memory_order_relaxed);
  }
  [[nodiscard]] std::vector<compute_site> sites() const;
  [[nodiscard]] compute_statistics statistics() const noexcept;
  [[nodiscard]] std::size_t most_carriers() const noexcept { return most_; }

 private:
  enum class takes_jobs : bool { no, yes };
  static constexpr std::chrono::microseconds awake{50};
  static constexpr std::chrono::milliseconds patience{10};

  void work(compute_worker& self) noexcept;
  [[nodiscard]] bool search(compute_worker& self, takes_jobs also, const std::atomic<bool>* ended) noexcept;
  [[nodiscard]] bool run_one(compute_worker& self, takes_jobs also) noexcept;
  [[nodiscard]] fork_frame* steal(compute_worker& self) noexcept;
  [[nodiscard]] compute_job* take_job(std::chrono::steady_clock::duration queued_for) noexcept;
  [[nodiscard]] bool fall_asleep(compute_worker& self, const std::atomic<bool>* ended) noexcept;
  void get_up(compute_worker& self) noexcept;
  void wake_one() noexcept;
  [[nodiscard]] bool start_worker() noexcept;
  [[nodiscard]] bool anything_to_steal() const noexcept;

  const std::size_t most_;
  // Made before they are counted, and never taken out: whoever has read the count may look at as many.
  std::unique_ptr<std::unique_ptr<compute_worker>[]> workers_;
  std::atomic<std::size_t> started_{0};
  std::atomic<std::size_t> asleep_;  // sleepers, and workers not started yet
  std::atomic<std::size_t> searching_{0};
  std::atomic<std::size_t> queued_{0};  // the queue's length, for those without the mutex
  std::atomic<std::uint64_t> begun_{0}, stolen_{0}, exceptions_lost_{0};

  mutable std::mutex mutex_;  // guards all below, and the changes of asleep_ and queued_
  base::intrusive_list<compute_job> queue_;
  std::vector<compute_worker*> sleepers_;
  bool stopping_ = false;

  mutable std::mutex sites_mutex_;  // guards sites_
  std::map<std::pair<const char*, std::uint_least32_t>, compute_site> sites_;
};

}  // namespace detail
}  // namespace weft
