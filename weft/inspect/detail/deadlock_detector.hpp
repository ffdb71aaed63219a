#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include <weft/base/detail/event_count.hpp>
#include <weft/base/report.hpp>
#include <weft/inspect/deadlock.hpp>
#include <weft/sched/detail/scheduler.hpp>
#include <weft/task/detail/task_side_record.hpp>

namespace weft {}

namespace weft::detail {

/// Which tasks a look examines.
enum class which_waits : std::uint8_t {
  every_wait,
  lasting_waits,  ///< those that the look before has seen already
};

// How a deadlock is told from tasks that wait just now.
//
// A first look notes, for each task that waits without a deadline, what it waits for and who has to do something
// before. A task that is not noted can go on; so can one with a case of which not all tasks it needs are noted, or that
// nobody knows all about. Taking those out, again and again, leaves the tasks that can only wait for each other.
//
// They were not looked at at the same moment. But if a second look finds them in the same waits for the same tasks,
// then each of them waited at every moment between the two looks: all waited at the same time, and who waits can
// neither unlock nor end. So the deadlock was real, and is for ever, unless somebody cancels one of them.

/// Finds tasks that wait for one another in a circle, and runtimes of which everything sleeps. See tracking_options.
/// Thread: any, for what does not say otherwise.
class deadlock_detector {
 public:
  deadlock_detector(sched::scheduler& home, tracking_options options, report_function report);
  ~deadlock_detector() { stop(); }
  deadlock_detector(const deadlock_detector&) = delete;
  deadlock_detector& operator=(const deadlock_detector&) = delete;

  /// Starts the thread. Once, after the carriers.
  void start();
  /// Joins the thread.
  void stop() noexcept;

  /// The cycles that there are now and were not found before.
  [[nodiscard]] std::vector<deadlock> find_cycles(which_waits what);

 private:
  void work();
  [[nodiscard]] bool sleep(duration time);
  void report_cycles();
  /// False: nobody can tell as long as threads run that are none of weft's; look again.
  [[nodiscard]] bool check_whether_everything_sleeps(std::uint64_t progress);
  [[nodiscard]] std::vector<task_snapshot> all_if_everything_sleeps() const;
  [[nodiscard]] deadlock confirm(const std::vector<std::uint64_t>& cycle) const;
  void report(const deadlock& found);
  void fail_waits(const deadlock& found) const;
  /// Which waits of a deadlock to end.
  enum class waits : std::uint8_t { for_a_task, otherwise };
  /// Ends those of the tasks with these numbers, the greatest first. Whether there was any that could be ended.
  [[nodiscard]] static bool fail_waits_of(std::span<const std::uint64_t> numbers, waits which) noexcept;

  sched::scheduler& home_;
  const tracking_options options_;
  const report_function report_;
  base::event_count event_count_;
  static std::mutex scan_mutex_;  // one look at a time, of all runtimes'; guards what entries keep for the detectors

  // The thread's.
  std::uint64_t last_progress_ = ~std::uint64_t{0};
  std::uint64_t reported_asleep_at_ = ~std::uint64_t{0};  // the progress at which everything slept and was reported

  std::mutex mutex_;  // guards stopping_
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace weft::detail
