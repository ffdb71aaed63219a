#include <weft/runtime/runtime.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <new>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <weft/base/check.hpp>
#include <weft/base/detail/block_cache.hpp>
#include <weft/compute/available_parallelism.hpp>
#include <weft/stack/detail/context.hpp>

#include "weft/inspect/detail/deadlock_detector.hpp"
#include "weft/inspect/detail/take_snapshot.hpp"
#include "weft/runtime/detail/hibernator.hpp"
#include "weft/runtime/detail/overflow_report.hpp"
#include "weft/task/detail/describe_task.hpp"

namespace weft {

namespace {

[[nodiscard]] runtime_options checked(runtime_options wanted) {
  auto at_most = [](std::size_t number, std::size_t limit, const char* what) {
    if (number <= limit) return;
    throw std::invalid_argument{"weft: " + std::to_string(number) + ' ' + what + " were asked for: at most " +
                                std::to_string(limit) + ", or 0 for the default"};
  };
  at_most(wanted.seats, runtime_options::most_seats, "seats");
  at_most(wanted.compute_carriers, runtime_options::most_threads, "compute carriers");
  at_most(wanted.blocking_threads, runtime_options::most_threads, "threads for blocking calls");
  if (wanted.compute_carriers == 0) wanted.compute_carriers = available_parallelism();
  if (wanted.blocking_threads == 0) wanted.blocking_threads = 256;
  if (!wanted.report) wanted.report = report_on_standard_error;
  return wanted;
}

[[nodiscard]] bool is_to_track(const tracking_options& wanted) noexcept {
#ifdef NDEBUG
  constexpr bool by_default = false;
#else
  constexpr bool by_default = true;
#endif
  if (wanted.leaks == leak_report::yes) return true;
  return wanted.tasks == tracking::on || (wanted.tasks == tracking::automatic && by_default);
}

[[nodiscard]] sched::watchdog_options with_warnings(sched::watchdog_options watchdog, const runtime_options& options) {
  if (!watchdog.warn && options.warnings.stalled_over.value() != duration::max()) {
    watchdog.warn = options.report;
    watchdog.warn_after = options.warnings.stalled_over;
  }
  return watchdog;
}

[[nodiscard]] std::string describe(const detail::task_base& task) { return detail::describe_task(task); }

/// For checks that fail.
void report_caller() {
  if (const auto* running = sched::current_runnable()) {
    std::fprintf(stderr, "  by the %s\n", describe(static_cast<const detail::task_base&>(*running)).c_str());
  } else {
    std::fprintf(stderr, "  by an OS thread that runs no task\n");
  }
  std::array<void*, 24> addresses;
  const auto count = stack::backtrace_here(addresses.data(), addresses.size());
  auto trace = sched::describe_trace(std::span<const void* const>{addresses.data(), count});
  // Up to where the check is.
  if (auto own = trace.rfind("check_failed"); own != std::string::npos) trace.erase(0, trace.find('\n', own) + 1);
  std::fputs(trace.c_str(), stderr);
}

[[nodiscard]] std::string what(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "not a std::exception";
  }
}

}  // namespace

runtime::runtime(runtime_options wanted) : runtime{checked_tag{}, checked(std::move(wanted))} {}

runtime::runtime(checked_tag, runtime_options options)
    : host{{.seats = options.seats,
            .make_driver = std::move(options.make_driver),
            .watchdog = with_warnings(std::move(options.watchdog), options)},
           {.default_stacks = default_stacks_,
            .blocking = blocking_,
            .compute = compute_,
            .tracks_tasks = is_to_track(options.tracking),
            .keeps_tasks_on_their_threads = options.stays_on_thread,
            .cancelled_over = options.warnings.cancelled_over}},
      default_stacks_{options.stack_bytes},
      blocking_{options.blocking_threads, "weft-blocking"},
      compute_{*this, options.compute_carriers, options.compute_queue},
      leaks_{options.tracking.leaks},
      warnings_{options.warnings},
      shutdown_report_after_{options.shutdown_report_after},
      report_{std::move(options.report)} {
  // relaxed: a number
  runtimes_.fetch_add(1, std::memory_order_relaxed);
  detail::report_overflows();
  detail::set_caller_report(&report_caller);
  if (tracks_tasks()) {
    detail::begin_tracking();
    detector_ = std::make_unique<detail::deadlock_detector>(*this, std::move(options.tracking), report_);
    detector_->start();
  }
  hibernator_ = std::make_unique<detail::hibernator>(*this, options.hibernate_after);
  default_stacks_.notify_when_brought_back(&hibernator_->event_count());
  hibernator_->start();
  if (warnings_.asleep == asleep_warning::yes && !tracks_tasks()) notify_when_asleep(*this);
}

// Before the members go: a carrier may still be giving a stack back.
runtime::~runtime() {
  shut_down();
  // relaxed: a number
  runtimes_.fetch_sub(1, std::memory_order_relaxed);
  if (tracks_tasks()) detail::end_tracking();
}

void runtime::shut_down() noexcept {
  {
    std::vector<std::stop_source> stops;
    std::unique_lock lock{detached_mutex_};
    shutting_down_ = true;
    for (auto* task = detached_.front(); task; task = detached_.next(*task)) {
      task->request_cancel();
      if (auto stop = task->stop_source()) stops.push_back(std::move(*stop));
    }
    lock.unlock();
    for (auto& stop : stops) stop.request_stop();  // without the lock: it calls others' code
    lock.lock();
    auto none_is_left = [this] { return detached_.empty(); };
    auto patience = real_deadline(deadline_after(shutdown_report_after_));
    if (patience != no_deadline && !detached_changed_.wait_until(lock, patience, none_is_left)) report_what_is_left();
    detached_changed_.wait(lock, none_is_left);
  }
  if (detector_) detector_->stop();
  hibernator_->stop();
  compute_.stop();
  stop();
  base::give_back_idle_blocks(base::idleness::now);
}

// Under detached_mutex_, without which no task in the list ends.
void runtime::report_what_is_left() noexcept {
  constexpr std::size_t most_named = 32;
  std::size_t count = 0;
  std::set<std::uint64_t> named;
  for (auto* task = detached_.front(); task; task = detached_.next(*task)) {
    if (auto* record = task->side_record()) named.insert(record->number());
    if (++count > most_named) continue;
    report_("the runtime cannot end: it cancelled the " + describe(*task) + ", which " +
            (task->is_parked() ? "waits (" + std::string{to_string(task->waits_for())} + ")" : "runs") +
            " all the same");
  }
  if (count > most_named) {
    report_("the runtime cannot end: " + std::to_string(count - most_named) + " more tasks were cancelled and go on");
  }
  if (tracks_tasks()) report_others(named, most_named);
}

// Those that the tasks that were detached have spawned, and whose handles were never joined.
void runtime::report_others(const std::set<std::uint64_t>& named, std::size_t most) noexcept {
  std::size_t count = 0;
  for (const auto& each : tasks()) {
    if (each.kind == "OS thread" || named.contains(each.number) || ++count > most) continue;
    report_("the runtime cannot end: there is as well the " + weft::describe(each));
  }
  if (count > most) report_("the runtime cannot end: there are " + std::to_string(count - most) + " others as well");
}

std::vector<stack::stack_pool*> runtime::all_stacks() {
  std::vector<stack::stack_pool*> all{&default_stacks_};
  std::lock_guard guard{other_stacks_mutex_};
  for (auto& [bytes, pool] : other_stacks_) all.push_back(pool.get());
  return all;
}

void runtime::note_stack_use(const std::source_location& site, std::size_t bytes) noexcept try {
  std::lock_guard guard{stack_uses_mutex_};
  auto& use = stack_uses_[{site.file_name(), site.line()}];
  use.spawned_at = site;
  ++use.measured;
  use.most_bytes = std::max(use.most_bytes, bytes);
} catch (const std::bad_alloc&) {
  // One measurement less.
}

std::vector<stack_use> runtime::stack_uses() const {
  std::vector<stack_use> all;
  std::lock_guard guard{stack_uses_mutex_};
  for (const auto& [site, use] : stack_uses_) {
    constexpr std::size_t for_a_signal = 8 * 1024, unit = 4 * 1024;
    all.push_back(use);
    all.back().recommended_bytes = (use.most_bytes + use.most_bytes / 2 + for_a_signal + unit - 1) / unit * unit;
  }
  return all;
}

std::size_t runtime::hibernate_parked() { return hibernator_->put_away_all(); }

hibernation_statistics runtime::hibernation() const noexcept { return hibernator_->statistics(); }

stack::stack_pool& runtime::other_stacks(std::size_t stack_bytes) {
  std::lock_guard guard{other_stacks_mutex_};
  auto& pool = other_stacks_[stack_bytes];
  if (!pool) {
    pool = std::make_unique<stack::stack_pool>(stack_bytes);
    pool->notify_when_brought_back(&hibernator_->event_count());
  }
  return *pool;
}

void runtime::keep_until_end(detail::task_base& task) noexcept {
  bool cancel_it = false;
  {
    std::lock_guard guard{detached_mutex_};
    // Before observing: the end may come at once, and takes the task out under the same mutex.
    detached_.push_back(task);
    if (!task.observe_end(*this)) {
      base::intrusive_list<detail::task_base>::remove(task);
      if (task.thrown()) nobody_caught(task, task.thrown());
    } else {
      cancel_it = shutting_down_;
    }
  }
  if (cancel_it) task.cancel();
}

void runtime::on_end(detail::task_base& task, const std::exception_ptr& error) noexcept {
  if (error) nobody_caught(task, error);
  std::lock_guard guard{detached_mutex_};
  base::intrusive_list<detail::task_base>::remove(task);
  detached_changed_.notify_all();
}

void runtime::nobody_caught(const detail::task_base& task, const std::exception_ptr& error) noexcept {
  report_("an exception left the " + describe(task) + ", which was detached: " + what(error));
  std::rethrow_exception(error);  // nobody can catch it here either: std::terminate() knows it as the current one
}

std::vector<blocking_wait_site> runtime::blocking_waits_in_coroutines() const {
  std::lock_guard guard{blocking_waits_mutex_};
  std::vector<blocking_wait_site> found;
  found.reserve(blocking_waits_.size());
  for (const auto& [place, site] : blocking_waits_) found.push_back(site);
  return found;
}

void runtime::count_blocking_wait(const detail::task_base& coroutine, wait_kind kind) noexcept {
  const auto& site = coroutine.site();
  bool is_first = false;
  {
    std::lock_guard guard{blocking_waits_mutex_};
    auto& counted = blocking_waits_[{site.file_name(), site.line()}];
    counted.spawned_at = site;
    is_first = ++counted.waits == 1;
  }
  if (is_first) {
    report_("a coroutine, the " + describe(coroutine) + ", waits (" + std::string{to_string(kind)} +
            ") in the blocking form, which takes another OS thread for its seat: co_await is for coroutines");
  }
}

void runtime::report_held_lock(const detail::task_base& task, const void* lock) noexcept try {
  {
    std::lock_guard guard{held_locks_mutex_};
    if (!held_locks_.emplace(task.site().file_name(), task.site().line()).second) return;
  }
  std::array<char, 24> address;
  std::snprintf(address.data(), address.size(), "%p", lock);
  report_("the " + describe(task) + ", waits while its OS thread holds a lock of the standard library (" +
          address.data() + "), which blocks whoever else runs there: unlock it before, or use weft::mutex");
} catch (const std::exception&) {
  // Without memory for the report there is none.
}

std::vector<task_snapshot> runtime::tasks() const { return detail::snapshots_of(this); }

std::string runtime::dump_tasks() const { return detail::dump_of(tracks_tasks(), this); }

std::vector<deadlock> runtime::find_deadlocks() {
  return detector_ ? detector_->find_cycles(detail::which_waits::every_wait) : std::vector<deadlock>{};
}

void runtime::report_leaks() {
  if (leaks_ == leak_report::no) return;
  for (const auto& each : tasks()) {
    if (each.waits && each.kind != "OS thread") report_("at the end of run(): " + weft::describe(each));
  }
}

}  // namespace weft
