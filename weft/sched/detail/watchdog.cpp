#include "weft/sched/detail/watchdog.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <new>

#include <weft/base/detail/asymmetric_fence.hpp>

#include "weft/sched/detail/carrier_pool.hpp"
#include "weft/sched/detail/seat.hpp"
#include "weft/sched/detail/thread_state.hpp"

namespace weft::sched {
namespace {

constexpr std::chrono::nanoseconds shortest_slice = std::chrono::milliseconds{1};
constexpr unsigned ticks_in_a_slice = 4;
constexpr unsigned idle_ticks_before_sleep = 20;
constexpr std::chrono::seconds between_reports{1};
constexpr unsigned times_asked_asleep = 5;
constexpr std::chrono::milliseconds first_pause_asleep{250};

watchdog_options checked(watchdog_options wanted) {
  wanted.slice = std::max<time_span>(wanted.slice, shortest_slice);
  return wanted;
}

}  // namespace

watchdog::watchdog(scheduler& owner, carrier_pool& carriers, watchdog_options options)
    : owner_{owner},
      carriers_{carriers},
      options_{checked(std::move(options))},
      tick_{options_.slice.value() / ticks_in_a_slice},
      seen_(owner.seat_count()),
      cores_{available_cores()} {
  carriers_.set_short_run(tick_);
}

void watchdog::start() {
  if (options_.enabled) thread_ = std::thread{[this] { work(); }};
}

void watchdog::stop() noexcept {
  std::unique_lock lock{mutex_};
  stopping_ = true;
  changed_.notify_one();
  lock.unlock();
  if (thread_.joinable()) thread_.join();
}

void watchdog::seat_is_blocked() noexcept {
  std::lock_guard guard{mutex_};
  if (stopping_) return;
  asked_ = true;
  changed_.notify_one();
  if (thread_.joinable()) return;
  try {
    thread_ = std::thread{[this] { serve_blocked(); }};
  } catch (const std::exception&) {
    // No thread is to be had: the seat stands still.
  }
}

void watchdog::serve_blocked() {
  become_watchdog();
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || asked_; });
    if (stopping_) return;
    asked_ = false;
    lock.unlock();
    for (auto& each : owner_.seats_) hand_over_if_blocked(*each);
    lock.lock();
  }
}

void watchdog::hand_over_if_blocked(seat& one) {
  auto& sits = one.sitter();
  if (!sits.blocks()) return;
  pending_report unreported;
  unreported.event.reason = stall_reason::lock;
  if (!take_from(one, sits, {.resumed = one.resumed()}, unreported, only_if::blocked)) return;
  if (unreported.event.handed_over) carriers_.prepare_spare();
}

void watchdog::wake() noexcept {
  std::lock_guard guard{mutex_};
  // relaxed: under the mutex
  asleep_.store(false, std::memory_order_relaxed);
  changed_.notify_one();
}

bool watchdog::all_is_idle() const noexcept {
  return owner_.all_seats_idle() && carriers_.seatless_waiting() == 0 &&
         !(options_.warn && carriers_.may_have_long_runs());
}

bool watchdog::wait() {
  idle_ticks_ = all_is_idle() ? idle_ticks_ + 1 : 0;
  std::unique_lock lock{mutex_};
  if (idle_ticks_ >= idle_ticks_before_sleep) {
    // Either this sees the seat that stopped being idle, or that seat sees `asleep_`. seq_cst: both locations in one
    // order
    asleep_.store(true, std::memory_order_seq_cst);
    if (all_is_idle()) sleep_until_busy(lock);
    asleep_.store(false, std::memory_order_relaxed);  // relaxed: under the mutex
    idle_ticks_ = 0;
  }
  changed_.wait_for(lock, tick_, [this] { return stopping_ || asked_; });
  asked_ = false;
  return !stopping_;
}

void watchdog::sleep_until_busy(std::unique_lock<std::mutex>& lock) {
  // relaxed: under the mutex, where it is cleared
  auto is_over = [this] { return stopping_ || asked_ || !asleep_.load(std::memory_order_relaxed); };
  // acquire: the observer; pairs with notify_when_asleep()
  auto* observer = owner_.asleep_observer_.load(std::memory_order_acquire);
  // Not for ever, since an idle process is to cost nothing.
  auto pause = first_pause_asleep;
  for (unsigned times = 0; observer && times < times_asked_asleep && owner_.nothing_is_due(); ++times) {
    lock.unlock();  // a seat that becomes busy must not wait for the answer
    const bool again = observer->on_asleep();
    lock.lock();
    if (!again || changed_.wait_for(lock, pause, is_over)) break;
    pause *= 2;
  }
  changed_.wait(lock, is_over);
}

void watchdog::work() {
  become_watchdog();
  if (options_.on_stall && options_.traces) prepare_traces();
  carriers_.prepare_spare();
  while (wait()) {
    auto present = clock::now();
    for (std::size_t i = 0; i < seen_.size(); ++i) inspect(*owner_.seats_[i], seen_[i], present);
    add_seatless_carriers();
    note_blocked_seatless(present);
    check_cores(present);
    deliver_reports();
    warn_of_long_runs(present);
  }
}

void watchdog::note_blocked_seatless(clock::time_point present) noexcept try {
  carriers_.note_blocked(present);
} catch (const std::bad_alloc&) {
  // One look less.
}

void watchdog::warn_of_long_runs(clock::time_point present) noexcept try {
  long_runs_.inspect(carriers_, present);
} catch (const std::bad_alloc&) {
  // One line less.
}

void watchdog::inspect(seat& one, observation& seen, clock::time_point present) {
  hand_over_if_blocked(one);
  auto& sits = one.sitter();
  auto resumed = one.resumed();
  if (sits.is_inside() || resumed != seen.resumed) {
    seen = {.resumed = resumed, .since = present};
    return;
  }
  if (seen.cpu_time == std::chrono::nanoseconds{}) {
    // The second look at one run: from here on it is worth a system call.
    seen.cpu_time = std::max(carriers_.cpu_time(sits), std::chrono::nanoseconds{1});
  }
  auto held = present - seen.since;
  if (held < options_.slice) return;
  const bool warn = !seen.warned && long_runs_.wants(held, present);
  if (seen.reported && !warn && !one.where_to_wait().prepare_hand_over()) return note_blocked(sits, seen, present);

  pending_report found;
  found.event.held = held;
  try {
    explain(found, sits, seen);
  } catch (const std::bad_alloc&) {
    // Less is known of the stall: the seat changes hands all the same.
  }
  if (!take_from(one, sits, seen, found, only_if::stuck)) return;
  if (found.event.handed_over) carriers_.prepare_spare();
  if (warn && !found.event.handed_over && !std::exchange(seen.warned, true)) long_runs_.report(found.event, 0, present);
  if (std::exchange(seen.reported, true)) return;
  try {
    if (record(found.event, present)) pending_reports_.push_back(std::move(found));
  } catch (const std::bad_alloc&) {
    // One stall less is told of.
  }
}

void watchdog::explain(pending_report& found, carrier& by, const observation& seen) {
  auto& event = found.event;
  found.thread_id = carriers_.thread_id(by);
  event.on_cpu = carriers_.cpu_time(by) - seen.cpu_time;
  const auto* task = by.runs();
  auto activity = activity_of(found.thread_id);
  note_blocked(by, task, seen, activity.reason);
  event.reason = activity.reason;
  event.system_call = std::move(activity.system_call);
  event.lock = activity.lock;
  found.place = activity.place;
  found.can_be_interrupted = activity.can_be_interrupted;
  // The clock started one look later than the run.
  if (event.reason == stall_reason::computing && event.on_cpu * 2 < event.held - tick_) {
    event.reason = stall_reason::not_scheduled;
  }
}

void watchdog::note_blocked(carrier& by, const observation& seen, clock::time_point present) noexcept try {
  if (!by.blocked().is_due(seen.since, present)) return;
  const auto* task = by.runs();
  note_blocked(by, task, seen, activity_of(carriers_.thread_id(by)).reason);
} catch (const std::bad_alloc&) {
  // One look less.
}

// The caller looked at `task` before it looked at what the thread does. Where another run has begun since, its look is
// of that task, or of no task.
void watchdog::note_blocked(carrier& by, const runnable* task, const observation& seen, stall_reason why) noexcept {
  if (!task || by.blocks()) return;  // the wait in which it blocks charges that
  by.blocked().note(*task, {.at = seen.since, .on_cpu = seen.cpu_time}, {clock::now(), carriers_.cpu_time(by)}, why);
}

bool watchdog::take_from(seat& one, carrier& stuck, const observation& seen, pending_report& found, only_if how) {
  auto& event = found.event;
  auto* spare = one.where_to_wait().prepare_hand_over() ? carriers_.take_spare() : nullptr;
  one.begin_decision(stuck);
  base::asymmetric_fence_heavy();
  bool still_stuck = !stuck.is_inside() && one.resumed() == seen.resumed && (how != only_if::blocked || stuck.blocks());
  if (still_stuck) {
    auto* task = stuck.runs();
    auto who = task->who();
    event.spawned_at = who.spawned_at;
    try {
      event.task_name = who.name;
    } catch (const std::bad_alloc&) {
      // Without its name: the decision has begun, and must be made.
    }
    event.handed_over = spare != nullptr;
    found.task = task;
    // Whom the system kept from running need not be one that computes.
    bool is_to_blame = event.reason != stall_reason::not_scheduled || event.on_cpu >= tick_;
    // Where the watchdog is off, tasks run on seats alone.
    if (spare && is_to_blame && options_.enabled) carrier_pool::bar_from_seats(*task);
    if (spare && how == only_if::stuck) carrier_pool::note_run(stuck, seen.since, who, seen.cpu_time);
  }
  one.decide(still_stuck && spare ? *spare : stuck);
  if (!spare) return still_stuck;
  if (!still_stuck) {
    carriers_.give_back(*spare);
    return false;
  }
  one.count_hand_over();
  carriers_.seat_spare(*spare, one);
  carriers_.lower_priority(stuck);
  return true;
}

// Those that run without a seat are the system's to share out: when none of them came to the next task for a whole
// tick, it gets a thread of its own.
void watchdog::add_seatless_carriers() {
  auto begun = carriers_.seatless_begun();
  if (carriers_.seatless_waiting() != 0 && begun == seatless_begun_) carriers_.add_seatless_carrier();
  seatless_begun_ = begun;
}

// The process' own use of the cores: tasks without a seat may wait for something, and others may have the cores.
void watchdog::check_cores(clock::time_point present) {
  auto used = std::clock();
  std::chrono::duration<double> spent{static_cast<double>(used - used_of_cores_) / CLOCKS_PER_SEC};
  auto passed = present - checked_cores_at_;
  // relaxed: numbers
  auto runs = owner_.compute_runs_.load(std::memory_order_relaxed);
  auto busy = carriers_.seatless_running();
  // Where compute carriers compute shortly, those that wait for them are better served at once.
  if (runs - std::exchange(compute_runs_, runs) <= cores_) busy += owner_.compute_busy_.load(std::memory_order_relaxed);
  bool taken = busy >= cores_ && spent >= passed * cores_ * 0.75;
  // relaxed: a heuristic
  cores_are_taken_.store(taken, std::memory_order_relaxed);
  used_of_cores_ = used;
  checked_cores_at_ = present;
}

bool watchdog::record(const stall& event, clock::time_point present) {
  std::lock_guard guard{sites_mutex_};
  auto& site = sites_[{event.spawned_at.file_name(), event.spawned_at.line()}];
  site.counted.spawned_at = event.spawned_at;
  ++site.counted.stalls;
  ++site.counted.by_reason[static_cast<std::size_t>(event.reason)];
  site.counted.longest = std::max(site.counted.longest, event.held);
  if (!options_.on_stall) return false;
  bool report = site.reported == clock::time_point{} || present - site.reported >= between_reports;
  if (report) site.reported = present;
  return report;
}

void watchdog::deliver_reports() {
  for (auto& each : pending_reports_) {
    try {
      if (options_.traces && each.can_be_interrupted) each.event.trace = trace_of(each.thread_id, *each.task);
      if (options_.traces && each.event.trace.empty() && each.place) each.event.trace.push_back(each.place);
    } catch (const std::bad_alloc&) {
      // Without a trace.
    }
    options_.on_stall(each.event);
  }
  pending_reports_.clear();
}

std::vector<stall_site> watchdog::sites() const {
  std::lock_guard guard{sites_mutex_};
  std::vector<stall_site> found;
  found.reserve(sites_.size());
  for (const auto& [place, site] : sites_) found.push_back(site.counted);
  return found;
}

std::string_view name(stall_reason reason) noexcept {
  switch (reason) {
    case stall_reason::computing: return "computing";
    case stall_reason::system_call: return "system call";
    case stall_reason::lock: return "lock";
    case stall_reason::page_fault: return "page fault";
    case stall_reason::not_scheduled: return "not scheduled";
    case stall_reason::unknown: break;
  }
  return "unknown";
}

namespace {

std::string address(const void* where) {
  std::array<char, 24> text;
  auto length = std::snprintf(text.data(), text.size(), "%p", where);
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string cause_and_cure(const stall& event) {
  switch (event.reason) {
    case stall_reason::computing: return "It computes: call compute()";
    case stall_reason::system_call: return "It blocks in " + event.system_call + ": call blocking()";
    case stall_reason::lock:
      return "It waits for an OS lock (futex " + address(event.lock) + "): use weft::mutex, or call blocking()";
    case stall_reason::page_fault: return "It waits for a page of memory: call blocking()";
    case stall_reason::not_scheduled: return "The system runs other threads: too few cores, or a quota";
    case stall_reason::unknown: break;
  }
  return "The system does not say why";
}

std::string milliseconds(std::chrono::nanoseconds time) {
  std::array<char, 32> text;
  auto length =
      std::snprintf(text.data(), text.size(), "%.1f ms", std::chrono::duration<double, std::milli>{time}.count());
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace

std::string describe(const stall& event) {
  std::string sentence = "a task ";
  if (!event.task_name.empty()) sentence += '"' + event.task_name + "\", ";
  sentence += std::string{"spawned at "} + event.spawned_at.file_name() + ':' + std::to_string(event.spawned_at.line());
  sentence += ", has run for " + milliseconds(event.held) + " without parking, " + milliseconds(event.on_cpu) +
              " of them on a core. " + cause_and_cure(event);
  sentence += event.handed_over ? ". Its seat went on without it" : ". Its seat stands still meanwhile";
  return sentence;
}

std::string describe_trace(const stall& event) { return describe_trace(std::span{event.trace}); }

std::string describe_trace(std::span<const void* const> trace) {
  std::string lines;
  for (const auto* each : trace) lines += "  " + address(each) + ' ' + name_of_place(each) + '\n';
  return lines;
}

}  // namespace weft::sched
