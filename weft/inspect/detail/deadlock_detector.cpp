#include "weft/inspect/detail/deadlock_detector.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include <weft/sched/detail/scheduler.hpp>

#include "weft/base/detail/own_thread.hpp"
#include "weft/inspect/detail/other_threads.hpp"
#include "weft/inspect/detail/take_snapshot.hpp"
#include "weft/inspect/detail/wait_graph.hpp"
#include "weft/task/detail/task_registry.hpp"

namespace weft {
namespace detail {
namespace {

/// While it lives a virtual clock stands still: what a task that is held would do has not happened yet.
class clock_held {
 public:
  explicit clock_held(sched::scheduler& home) noexcept : home_{home} { home_.external_work_started(); }
  ~clock_held() { home_.external_work_ended(); }
  clock_held(const clock_held&) = delete;
  clock_held& operator=(const clock_held&) = delete;

 private:
  sched::scheduler& home_;
};

/// Whether only other tasks can end the wait.
[[nodiscard]] bool is_for_tasks(const wait_description& wait) noexcept {
  return !wait.cases.empty() && std::ranges::all_of(wait.cases, [](const wait_case& each) {
    return each.kind == wait_kind::channel || each.kind == wait_kind::lock || each.kind == wait_kind::join ||
           (each.kind == wait_kind::compute && each.is_known);
  });
}

/// Between two looks while nothing of weft's runs and other threads do.
constexpr duration longest_pause = std::chrono::milliseconds{250};

[[nodiscard]] bool has_known_case(const wait_description& wait) noexcept {
  return std::ranges::any_of(wait.cases, [](const wait_case& each) { return each.is_known; });
}

}  // namespace

std::mutex deadlock_detector::scan_mutex_;

deadlock_detector::deadlock_detector(sched::scheduler& home, tracking_options options, report_function report)
    : home_{home}, options_{std::move(options)}, report_{std::move(report)} {}

void deadlock_detector::start() {
  // A virtual clock stands for a test, which looks by itself.
  if (virtual_clock::active()) return;
  home_.notify_when_busy(sched::busy_listener::deadlocks, &event_count_);
  thread_ = std::thread{[this] { work(); }};
}

void deadlock_detector::stop() noexcept {
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  event_count_.notify();
  if (thread_.joinable()) thread_.join();
}

bool deadlock_detector::sleep(duration time) {
  std::unique_lock lock{mutex_};
  return !changed_.wait_until(lock, real_deadline(deadline_after(time)), [this] { return stopping_; });
}

void deadlock_detector::work() {
  base::become_own_thread("weft-deadlocks");
  duration pause = options_.look_every;
  while (sleep(pause)) {
    const auto progress = home_.statistics().resumed;
    const auto began = std::chrono::steady_clock::now();
    report_cycles();
    const auto took = std::chrono::steady_clock::now() - began;
    const auto slept = pause;
    pause = std::max<duration>(options_.look_every, 100 * took);
    event_count_.prepare_wait();
    // Two looks without anything run between them: the second has seen every wait.
    if (!home_.all_idle() || std::exchange(last_progress_, progress) != progress) {
      event_count_.cancel_wait();
      continue;
    }
    const bool is_settled = check_whether_everything_sleeps(progress);
    std::unique_lock lock{mutex_};
    if (stopping_) return;
    lock.unlock();
    if (is_settled && home_.all_idle() && home_.statistics().resumed == progress) {
      event_count_.wait();
    } else {
      event_count_.cancel_wait();
      // Such a thread notifies nobody when it begins to wait; it may run for long, or just have been started.
      if (!is_settled) pause = std::max(pause, std::min(2 * slept, longest_pause));
    }
  }
}

std::vector<deadlock> deadlock_detector::find_cycles(which_waits what) {
  std::lock_guard guard{scan_mutex_};
  clock_held clock{home_};
  wait_graph graph;
  auto& registry = task_registry::global();
  registry.for_each(
      [&](task_side_record& entry) {
        const auto wait = entry.wait_number();
        const bool lasts = std::exchange(entry.seen_wait_, wait) == wait;
        return wait % 2 == 1 && entry.reported_wait_ != wait && entry.harmless_wait_ != wait &&
               (lasts || what == which_waits::every_wait);
      },
      [&](task_side_record& entry) {
        auto wait = entry.describe();
        // Not looked at again while it lasts, so that a stack that was put away stays so.
        if (entry.task().deadline() != no_deadline || !has_known_case(wait)) entry.harmless_wait_ = entry.wait_number();
        if (entry.task().deadline() == no_deadline) {
          graph.add(&entry.task(), entry.number(), std::move(wait.cases));
        }
      });
  std::vector<deadlock> found;
  for (const auto& cycle : graph.cycles()) {
    if (auto confirmed = confirm(cycle); !confirmed.tasks.empty()) found.push_back(std::move(confirmed));
  }
  return found;
}

/// The second look at the tasks of a cycle. Nothing when one of them has gone on.
deadlock deadlock_detector::confirm(const std::vector<std::uint64_t>& cycle) const {
  std::map<std::uint64_t, task_snapshot> seen;
  wait_graph graph;
  task_registry::global().for_each(
      [&](task_side_record& entry) {
        return entry.seen_wait_ == entry.wait_number() && std::ranges::find(cycle, entry.number()) != cycle.end();
      },
      [&](task_side_record& entry) {
        seen.emplace(entry.number(), take_snapshot_of_held(entry));
        graph.add(&entry.task(), entry.number(), entry.describe().cases);
      });
  auto again = graph.cycles();
  if (again.size() != 1 || again.front().size() != cycle.size()) return {};
  // What is only reported is reported once. What is ended may close anew, with the same waits of the others.
  if (options_.then == deadlock_action::report) {
    task_registry::global().for_each(
        [&](task_side_record& entry) {
          if (seen.contains(entry.number())) entry.reported_wait_ = entry.wait_number();
          return false;
        },
        [](task_side_record&) {});
  }
  deadlock found;
  for (auto number : cycle) found.tasks.push_back(std::move(seen.at(number)));
  return found;
}

void deadlock_detector::report_cycles() {
  for (const auto& found : find_cycles(which_waits::lasting_waits)) report(found);
}

bool deadlock_detector::check_whether_everything_sleeps(std::uint64_t progress) {
  if (reported_asleep_at_ == progress || !home_.nothing_is_due()) return true;
  if (other_threads_run()) return false;
  auto all = all_if_everything_sleeps();
  // Nothing has run while we looked.
  if (all.empty() || !home_.nothing_is_due() || home_.statistics().resumed != progress) return true;
  reported_asleep_at_ = progress;
  report({.tasks = std::move(all), .everything_sleeps = true});
  return true;
}

/// All tasks, when each of them waits for another.
std::vector<task_snapshot> deadlock_detector::all_if_everything_sleeps() const {
  std::vector<task_snapshot> all;
  std::size_t waiting = 0;
  bool any_may_resume = false;
  task_registry::global().for_each(
      [&](task_side_record& entry) {
        if (entry.wait_number() % 2 == 0) any_may_resume = true;
        ++waiting;
        return !any_may_resume;
      },
      [&](task_side_record& entry) {
        if (!is_for_tasks(entry.describe()) || entry.task().deadline() != no_deadline) {
          any_may_resume = true;
        } else {
          all.push_back(take_snapshot_of_held(entry));
        }
      });
  // One that could not be held was just woken.
  if (any_may_resume || all.size() != waiting) all.clear();
  return all;
}

void deadlock_detector::report(const deadlock& found) {
  if (options_.on_deadlock) {
    options_.on_deadlock(found);
  } else {
    const auto text = describe(found);
    for (std::size_t from = 0, to = 0; from < text.size(); from = to + 1) {
      to = std::min(text.find('\n', from), text.size());
      report_(std::string_view{text}.substr(from, to - from));
    }
  }
  if (options_.then == deadlock_action::fail_waits) fail_waits(found);
}

/// Of a circle one wait is enough: that of the youngest task, who has done least. Who joins another task goes on when
/// that one does, and is ended only when there is nothing else to end.
void deadlock_detector::fail_waits(const deadlock& found) const {
  std::vector<std::uint64_t> numbers;
  for (const auto& each : found.tasks) numbers.push_back(each.number);
  std::ranges::sort(numbers, std::greater{});
  for (auto which : {waits::otherwise, waits::for_a_task}) {
    if (found.everything_sleeps) {
      if (fail_waits_of(numbers, which)) return;
      continue;
    }
    for (const auto& each : numbers) {
      if (fail_waits_of({&each, 1}, which)) return;
    }
  }
}

bool deadlock_detector::fail_waits_of(std::span<const std::uint64_t> numbers, waits which) noexcept {
  bool any = false;
  task_registry::global().for_each(
      [&](task_side_record& entry) {
        // Not in another wait than the one that was looked at, into which a cancel may have let it go on.
        if (entry.seen_wait_ != entry.wait_number()) return false;
        if (!std::ranges::binary_search(numbers, entry.number(), std::greater{})) return false;
        const bool for_a_task = entry.task().waits_for() == wait_kind::join;
        if (for_a_task == (which == waits::for_a_task)) any |= entry.task().end_wait(sched::wake_reason::deadlocked);
        return false;
      },
      [](task_side_record&) {});
  return any;
}

}  // namespace detail

std::string describe(const deadlock& found) {
  const auto count = std::to_string(found.tasks.size());
  auto text = found.everything_sleeps
                  ? "deadlock: everything sleeps, " + count + " tasks, and nothing can wake any of them:"
              : found.tasks.size() == 1 ? std::string{"deadlock: a task waits for itself:"}
                                        : "deadlock: " + count + " tasks wait for each other, in a circle:";
  for (const auto& each : found.tasks) text += '\n' + describe_with_trace(each);
  return text;
}

}  // namespace weft
