#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include <weft/base/containers.hpp>
#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/report.hpp>
#include <weft/compute/compute_statistics.hpp>
#include <weft/compute/detail/compute_pool.hpp>
#include <weft/inspect/deadlock.hpp>
#include <weft/inspect/task_snapshot.hpp>
#include <weft/runtime/hibernation_statistics.hpp>
#include <weft/runtime/stack_use.hpp>
#include <weft/runtime/warnings.hpp>
#include <weft/sched/detail/scheduler.hpp>
#include <weft/stack/detail/stack_pool.hpp>
#include <weft/task/detail/blocking_pool.hpp>
#include <weft/task/detail/host.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft {

struct runtime_options {
  /// How many seats run tasks, `most_seats` at the most; 0: as many as the process may use cores.
  std::size_t seats = 0;
  /// How many carriers compute, `most_threads` at the most; 0: available_parallelism().
  std::size_t compute_carriers = 0;
  /// How many computations may wait for a compute carrier before try_compute() fails with errc::overloaded. compute()
  /// waits all the same, in its caller's frame, behind those that were there before: whoever would rather answer "busy"
  /// than wait asks try_compute(). 0: none may wait, so that try_compute() always fails.
  std::size_t compute_queue = 4096;
  /// The most OS threads that blocking() starts, `most_threads` at the most; further calls queue. 0: 256.
  std::size_t blocking_threads = 0;
  /// What each virtual thread's stack may grow to, unless its spawn says otherwise. Address space, not memory.
  std::size_t stack_bytes = std::size_t{256} * 1024;
  /// Whether every task stays on the OS thread that begins it: see spawn_options.
  bool stays_on_thread = false;
  /// Where a seat waits; empty: without I/O.
  sched::driver_factory make_driver = {};
  /// What happens to a task that does not park.
  sched::watchdog_options watchdog = {};
  /// A virtual thread that stays parked for as long, or up to twice as long, keeps only what its stack holds; whoever
  /// touches the stack brings it back. When memory is short, as Linux says, a tenth of a second is enough.
  /// `no_hibernation`: never. Off, too, where the system cannot (see runtime::hibernation()) and under a virtual clock.
  ///
  /// Putting a stack away and bringing it back takes some 10 to 30 us of a core in all: what parks for less than the
  /// default at a time never pays, and 10,000 tasks that each wake just after they were put away take 1 to 3 % of one.
  ///
  /// What differs from ordinary memory: a thread that blocks SIGSEGV must not touch another task's stack, and a system
  /// call that the program makes itself with a buffer there may fail with EFAULT: touch the buffer first, which keeps
  /// it there for as long again. weft's own calls do. A task that joins others, or waits for a file, compute() or
  /// blocking(), is not put away.
  time_span hibernate_after = std::chrono::seconds{10};
  /// How long shut_down() waits for the tasks it cancelled before it reports those that are left, once, and goes on
  /// waiting. 0: reports at once; duration::max(): never.
  time_span shutdown_report_after = std::chrono::seconds{5};
  /// Empty: report_on_standard_error.
  report_function report = {};
  /// Whether, and how, the tasks are kept track of: for dumps, deadlocks, leaks.
  tracking_options tracking = {};
  /// What is reported without being asked for: long stalls, cancels that nobody follows, a runtime that sleeps for
  /// ever.
  warning_options warnings = {};

  static constexpr std::size_t most_seats = 1024, most_threads = 4096;
};

/// The coroutines of one spawn site that waited in a blocking form. Each such wait takes an OS thread for as long, and
/// another for the seat, which goes on at once: co_await is for coroutines.
struct blocking_wait_site {
  std::source_location spawned_at;
  std::uint64_t waits = 0;
};

namespace detail {
class deadlock_detector;
class hibernator;
}  // namespace detail

/// A scheduler with what its tasks need: stacks, threads for calls that block, threads that compute.
/// Programs use weft::run(), which makes one.
/// Thread: any, but for construction and destruction.
/// Lifetime: tasks that were detached are cancelled and waited for by the destructor; all others end with their
///   handles.
class runtime : public detail::host, private detail::end_observer, private sched::asleep_observer {
 public:
  /// Throws std::invalid_argument for an option that is out of its range, std::system_error when the system gives no
  ///   threads.
  explicit runtime(runtime_options options = {});
  ~runtime();

  /// The runtime that runs the calling task; null on an OS thread that is none of its carriers.
  [[nodiscard]] static runtime* current() noexcept { return static_cast<runtime*>(scheduler::current()); }

  /// What the compute() calls of each place in the program have cost.
  [[nodiscard]] plain::vector<compute_site> compute_sites() const { return compute_.sites(); }
  [[nodiscard]] compute_statistics computing() const noexcept { return compute_.statistics(); }

  /// Puts away the stacks of all virtual threads that are parked now, however short: for when memory is scarce. Returns
  /// how many.
  std::size_t hibernate_parked();
  [[nodiscard]] hibernation_statistics hibernation() const noexcept;

  /// How much stack the virtual threads of each spawn site use, as far as it was measured.
  [[nodiscard]] plain::vector<stack_use> stack_uses() const;

  /// Cancels the detached tasks, waits for them, and joins the carriers. All other tasks have ended. Not from a task.
  /// Tasks that go on for longer than runtime_options::shutdown_report_after are reported, each with its name, spawn
  /// site and what it waits for. The destructor does it too.
  void shut_down() noexcept;

  /// What every task was doing, with OS threads that wait for tasks, in the order in which they were made. Brings back
  /// stacks that were put away. Not all of them were looked at at the same moment. Nothing where tasks are not tracked
  /// (tracks_tasks() is false): dump_tasks() says so.
  [[nodiscard]] plain::vector<task_snapshot> tasks() const;

  /// The same as text, for a debugger's `call` or a log: a line each, and its trace; or a line that says that tasks are
  /// not tracked.
  [[nodiscard]] std::string dump_tasks() const;

  /// The tasks that wait for each other in a circle now, but for those that were reported. Tracked tasks only.
  [[nodiscard]] plain::vector<deadlock> find_deadlocks();

  /// Reports the tasks that are still there and wait, when tracking_options::leaks asks for it. By run(), at its end.
  void report_leaks();

  /// Where coroutines waited in a blocking form. The first wait of each site was reported as well.
  [[nodiscard]] plain::vector<blocking_wait_site> blocking_waits_in_coroutines() const;

  /// What it reports without being asked for.
  [[nodiscard]] const warning_options& warnings() const noexcept { return warnings_; }

 private:
  friend class detail::hibernator;
  struct checked_tag {};
  runtime(checked_tag, runtime_options options);

  void keep_until_end(detail::task_base& task) noexcept override;
  void warn_of_cancelled(std::string_view waiter, std::size_t count, std::string_view example) noexcept override;
  void count_blocking_wait(const detail::task_base& coroutine, wait_kind kind) noexcept override;
  void report_held_lock(const detail::task_base& task, const void* lock) noexcept override;
  void note_stack_use(const std::source_location& site, std::size_t bytes) noexcept override;
  [[nodiscard]] stack::stack_pool& other_stacks(std::size_t stack_bytes) override;

  bool on_asleep() override;
  void report_what_is_left() noexcept;
  void report_others(const plain::set<std::uint64_t>& named, std::size_t most) noexcept;
  [[noreturn]] void nobody_caught(const detail::task_base& task, const std::exception_ptr& error) noexcept;
  [[nodiscard]] plain::vector<stack::stack_pool*> all_stacks();
  void on_end(detail::task_base& task, const std::exception_ptr& error) noexcept override;

  stack::stack_pool default_stacks_;
  std::mutex other_stacks_mutex_;  // guards other_stacks_
  plain::map<std::size_t, std::unique_ptr<stack::stack_pool>> other_stacks_;
  detail::blocking_pool blocking_;
  detail::compute_pool compute_;

  std::mutex detached_mutex_;  // guards detached_
  std::condition_variable detached_changed_;
  base::intrusive_list<detail::task_base> detached_;
  bool shutting_down_ = false;

  std::mutex held_locks_mutex_;                                              // guards held_locks_
  plain::set<std::pair<std::string_view, std::uint_least32_t>> held_locks_;  // the sites that were reported

  mutable std::mutex blocking_waits_mutex_;  // guards blocking_waits_
  plain::map<std::pair<const char*, std::uint_least32_t>, blocking_wait_site> blocking_waits_;

  mutable std::mutex stack_uses_mutex_;  // guards stack_uses_
  plain::map<std::pair<std::string_view, std::uint_least32_t>, stack_use> stack_uses_;

  const leak_report leaks_;
  const warning_options warnings_;
  static inline constinit std::atomic<std::size_t> runtimes_{0};  // how many there are in the process
  std::uint64_t asleep_at_ = ~std::uint64_t{0};  // the watchdog's: the progress at which all slept and was reported
  std::mutex warned_mutex_;                      // guards the two below
  time_point warned_of_cancelled_ = time_point::min();
  std::size_t left_out_ = 0;
  const duration shutdown_report_after_;
  const report_function report_;

  std::unique_ptr<detail::hibernator> hibernator_;
  std::unique_ptr<detail::deadlock_detector> detector_;  // null where tasks are not tracked
};

}  // namespace weft
