#include "weft/sched/detail/seat.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/sched/detail/timer.hpp>

#include "weft/sched/detail/carrier_pool.hpp"

namespace weft::sched {

held_driver::held_driver() noexcept {
  auto* self = current_carrier();
  if (!self) return;
  auto was_inside = self->works_on_seat();
  auto* here = was_inside ? self->seat_ : self->enter();
  is_of_own_seat_ = here != nullptr;
  driver_ = &(here ? *here : self->owner().any_seat()).where_to_wait();
  if (here && !was_inside) to_leave_ = self;
}

held_driver::~held_driver() {
  if (to_leave_) to_leave_->leave();
}

void runnable::leave_own_code(carrier& by) noexcept {
  by.leave_own_code();
  if (short_runs_owed() != 0) [[unlikely]]
    by.owner().carriers().settle_debt(by, *this);
}

bool runnable::commit_park_on(carrier& by) noexcept {
  leave_own_code(by);
  if (commit_park()) return true;
  by.leave();
  return false;
}

bool seat::still_belongs_to(const carrier& one) const noexcept {
  for (;;) {
    // acquire: as in belongs_to()
    auto seen = sitter_.load(std::memory_order_acquire);
    if (seen != (word_of(one) | deciding)) return seen == word_of(one);
    std::this_thread::yield();
  }
}

// Flattened, as end_turn() and begin_turn_after(): of what a task that has no stack costs to resume, calls were a
// third.
[[gnu::flatten]] bool seat::run(carrier& self) {
  delivering_ = true;
  driver_->begin_on_this_thread();
  delivering_ = false;
  sits_ = &self;
  // relaxed: who finds it late notifies the carrier's event count, and the look at what stays here is still to come
  self.sits_on_.store(this, std::memory_order_relaxed);
  for (;;) {
    auto* task = found_ ? std::exchange(found_, nullptr) : quick_task();
    if (!task) [[unlikely]] {
      task = find_task();
      if (!task) return true;
    }
    if (searching_) [[unlikely]]
      stop_searching();
    if (task->short_runs_owed() != 0 && !owner_.carriers().runs_on(self, *task)) [[unlikely]]
      continue;
    count(resumed_);
    task->resume(self);
    if (!self.end()) [[unlikely]]
      return false;
  }
}

/// What is ready here, unless there is something to look at first.
runnable* seat::quick_task() {
  const auto tick = tick_ + 1;
  if (tick % outside_interval == 0 || tick % timer_interval == 0) return nullptr;
  tick_ = tick;
  return local_task();
}

void seat::push_last(runnable& task) {
  queue_.push(task);
  if (!alone_) owner_.wake_one();  // an only seat pushes for itself
}

/// Whether the loop would look at something else first in turn number `tick`.
bool seat::is_time_to_check(unsigned tick) const noexcept {
  // relaxed: another carrier's timer is seen at the next look
  return tick % outside_interval == 0 ||
         (tick % timer_interval == 0 &&
          (next_due_.load(std::memory_order_relaxed) != timer_wheel::never || sits_->has_thread_bound()));
}

bool seat::has_nothing_else() noexcept {
  const auto tick = tick_ + 1;
  if (next_ || found_ || queued() != 0 || is_time_to_check(tick)) return false;
  tick_ = tick;
  count(resumed_);
  return true;
}

runnable* seat::next_directly() noexcept {
  const auto tick = tick_ + 1;
  if (is_time_to_check(tick)) return nullptr;
  auto* task = local_task();
  if (!task) return nullptr;
  tick_ = tick;
  if (!task->has_stack_ || task->short_runs_owed() != 0) {
    found_ = task;
    return nullptr;
  }
  count(resumed_);
  return task;
}

// Flattened, as the next but one: they are a third of what a switch costs, and calls were a third of them.
[[gnu::flatten]] runnable* end_turn(carrier& by) noexcept {
  auto* here = by.leave_own_code();
  return here ? here->next_directly() : nullptr;
}

void begin_turn(carrier& by, runnable& task) noexcept { by.begin(task); }

bool continues_alone(carrier& by, runnable& task) noexcept {
  if (!by.seat_ || !by.seat_->has_nothing_else()) return false;
  by.begin(task);
  return true;
}

[[gnu::flatten]] void begin_turn_after(carrier& by, runnable& outgoing, leave_reason how, runnable& task) noexcept {
  // The carrier has a seat, or there would have been nobody to switch to: it can be queued there.
  static_cast<void>(settle(by, outgoing, how));
  by.begin(task);
}

bool settle(carrier& by, runnable& outgoing, leave_reason how) noexcept {
  if (outgoing.short_runs_owed() != 0) [[unlikely]]
    by.owner_.carriers().settle_debt(by, outgoing);
  if (how == leave_reason::parks) {
    if (outgoing.commit_park()) return true;
    if (!by.seat_) return false;
    by.seat_->push_next(outgoing);
  } else if (by.seat_) {
    by.seat_->push_last(outgoing);
  } else {
    outgoing.home_->schedule_last(outgoing);
  }
  return true;
}

void seat::push_spawned(runnable& task) {
  spawned_.push(task);
  if (!alone_) owner_.wake_one();
}

[[gnu::noinline]] runnable* seat::find_task() {
  for (;;) {
    ++tick_;
    if (tick_ % outside_interval == 0) check_outside();
    if (tick_ % timer_interval == 0) {
      fire_timers();
      if (auto* task = sits_->take_thread_bound()) return task;
    }
    if (auto* task = local_task()) return task;

    fire_timers();
    poll_driver(time_point::min());
    if (auto* task = sits_->take_thread_bound()) return task;
    if (auto* task = local_task()) return task;
    if (auto* task = take_arrivals()) return task;
    if (auto* task = search_others()) return task;
    if (auto* task = await_work()) return task;
    // Again: the poll of await_work() may have taken the wake-up.
    if (auto* task = sits_->take_thread_bound()) return task;

    // acquire: what was done before stop() is seen
    if (owner_.stopping_.load(std::memory_order_acquire)) return nullptr;
    owner_.become_idle(*this);
  }
}

runnable* seat::local_task() {
  if (next_ && (streak_ < longest_streak || queued() == 0)) {
    ++streak_;
    return std::exchange(next_, nullptr);
  }
  streak_ = 0;
  if (auto* task = spawned_task()) return task;
  if (auto* task = alone_ ? queue_.pop_unshared() : queue_.pop()) {
    queue_.prefetch();
    return task;
  }
  return std::exchange(next_, nullptr);
}

/// Those that were spawned last come first: they are in the caches, and of a tree of tasks only one branch is alive at
/// once instead of a level.
runnable* seat::spawned_task() {
  if (spawned_streak_ == longest_streak && queue_.size() != 0) {
    spawned_streak_ = 0;
    return nullptr;
  }
  auto* task = alone_ ? spawned_.pop_unshared() : spawned_.pop();
  spawned_streak_ = task ? std::min(spawned_streak_ + 1, longest_streak) : 0;
  return task;
}

void seat::check_outside() {
  std::array<runnable*, 1> arrived;
  if (owner_.arrivals_.size() != 0 && owner_.arrivals_.pop(arrived.data(), 1) == 1) queue_.push(*arrived[0]);
  // So that the oldest does not wait for ever behind those that are spawned later.
  if (auto* oldest = spawned_.take_oldest()) queue_.push(*oldest);
  if (is_time_to_poll()) poll_driver(time_point::min());
}

bool seat::is_time_to_poll() noexcept {
  if (++checks_unpolled_ == most_checks_unpolled || virtual_clock::active()) return true;  // where time stands still
  return std::chrono::steady_clock::now() - polled_at_ >= shortest_poll;
}

runnable* seat::take_arrivals() {
  if (owner_.arrivals_.size() == 0) return nullptr;
  std::array<runnable*, batch> tasks;
  // A fair share: the other seats want some as well.
  auto share = owner_.arrivals_.size() / owner_.seats_.size() + 1;
  auto got = owner_.arrivals_.pop(tasks.data(), share < batch ? share : batch);
  return keep_rest(tasks.data(), got);
}

runnable* seat::keep_rest(runnable** tasks, std::size_t count_of_tasks) {
  if (count_of_tasks == 0) return nullptr;
  for (std::size_t i = 1; i < count_of_tasks; ++i) queue_.push(*tasks[i]);
  if (count_of_tasks > 1) owner_.wake_one();
  return tasks[0];
}

[[gnu::noinline]] void seat::stop_searching() {
  searching_ = false;
  // seq_cst: with the fence in wake_one. While this seat searched, nobody was woken for what was pushed: if this was
  // the last searcher, and something is there, somebody has to come for it.
  if (owner_.searching_.fetch_sub(1, std::memory_order_seq_cst) == 1 && owner_.visible_work() != 0) owner_.wake_one();
}

runnable* seat::search_others() {
  auto seats = owner_.seats_.size();
  if (seats == 1) return nullptr;
  if (!searching_) {
    // No more searchers than half the seats: beyond that they only disturb one another.
    // relaxed: a heuristic; correctness rests on become_idle's second look
    if (owner_.searching_.load(std::memory_order_relaxed) * 2 >= seats) return nullptr;
    searching_ = true;
    owner_.searching_.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: see wake_one
  }
  auto start = random_.below(static_cast<std::uint32_t>(seats));
  for (std::size_t i = 0; i < seats; ++i) {
    auto& victim = *owner_.seats_[(start + i) % seats];
    if (&victim == this || !is_worth_stealing_from(victim)) continue;
    if (auto* task = steal_from(victim)) return task;
  }
  return nullptr;
}

// A task that waits for nobody but its turn is best run where it is, in whose caches it and its neighbours are; to take
// it costs both seats about a microsecond. So a thief looks twice, and takes what would wait longer than that at the
// pace at which its seat got on meanwhile.
bool seat::is_worth_stealing_from(const seat& victim) noexcept {
  auto queued = victim.queued();
  if (queued == 0) return false;
  if (virtual_clock::active()) return true;  // where time stands still
  auto present = std::chrono::steady_clock::now();
  auto& last = samples_[victim.index_];
  auto elapsed = present - last.at;
  if (elapsed < shortest_sample) return false;
  auto resumed = victim.resumed();
  auto progress = resumed - std::exchange(last, {resumed, present}).resumed;
  return elapsed < longest_sample && elapsed * queued > worth_a_steal * progress;
}

runnable* seat::steal_from(seat& victim) {
  std::array<runnable*, batch> tasks;
  auto got = victim.queue_.steal(tasks.data(), tasks.size());
  // The oldest of what was spawned there is likely to have the most beneath it.
  auto share = std::min((victim.spawned_.size() + 1) / 2, spawned_batch);
  for (; share > 0 && got < tasks.size(); --share) {
    auto* oldest = victim.spawned_.take_oldest();
    if (!oldest) break;
    tasks[got++] = oldest;
  }
  count(stolen_, got);
  return keep_rest(tasks.data(), got);
}

// Sleeping, and being woken from another core, takes tens of microseconds of which the waker pays some. Where the
// others have had work to give soon after, a seat that finds none waits awake for that long first; it is counted as
// searching, so that nobody is woken meanwhile. Where they had not, it goes to sleep at once, and tries again some
// time.
runnable* seat::await_work() {
  if (!searching_ || virtual_clock::active() || owner_.cores_are_taken()) return nullptr;
  auto longest = longest_awake;
  if (worthwhile_ == 0 && ++idle_times_ % try_again != 0) {
    if (owner_.visible_work() == 0) return nullptr;
    longest = 2 * shortest_sample;
  }
  for (auto end = std::chrono::steady_clock::now() + longest; std::chrono::steady_clock::now() < end;) {
    for (unsigned i = 0; i < pauses; ++i) base::pause();
    // acquire: what was done before stop() is seen
    if (owner_.stopping_.load(std::memory_order_acquire) || sits_->has_thread_bound()) return nullptr;
    auto* task = take_arrivals();
    if (!task) task = search_others();
    if (task) {
      worthwhile_ = std::min(worthwhile_ + 2, most_worthwhile);
      return task;
    }
  }
  if (worthwhile_ > 0) --worthwhile_;
  // What there is goes on where it is, for now: look again soon, without being woken for each task that comes by.
  if (owner_.visible_work() != 0) poll_driver(now() + search_again);
  return local_task();
}

void seat::poll_driver(time_point deadline) {
  delivering_ = true;
  driver_->poll(deadline);
  delivering_ = false;
  polled_at_ = std::chrono::steady_clock::now();
  checks_unpolled_ = 0;
}

// Not all that are due: those that are woken run while they are in the caches, and whoever arms or disarms meanwhile
// waits for one batch, not for a million timers. The next look is some tasks away.
void seat::fire_timers() {
  // acquire: pairs with the release in refresh_next_due
  auto due_at = next_due_.load(std::memory_order_acquire);
  if (due_at == timer_wheel::never) return;
  auto present = timer_wheel::tick_before_or_at(now());
  if (due_at > present) return;
  std::array<timer_wheel::target, timer_batch> due;
  std::size_t popped = 0, claimed = 0;
  {
    std::lock_guard guard{timer_lock_};
    while (popped < due.size() && (due[popped] = timers_.pop_due(present)).task) {
      // They have slept: their memory is far away. Loading it now lets them come all at the same time.
      __builtin_prefetch(due[popped++].task, 1);
    }
    // Under the lock, since the waiter's disarm() takes it before its frame goes away. Once claimed, the waiter stays
    // until it is notified.
    for (std::size_t i = 0; i < popped; ++i) {
      if (!due[i].task->claim(due[i].epoch)) continue;
      due[i].task->prefetch();
      due[claimed++] = due[i];
    }
    refresh_next_due();
  }
  delivering_ = true;
  for (std::size_t i = 0; i < claimed; ++i) due[i].task->notify(due[i].reason);
  delivering_ = false;
}

void seat::refresh_next_due() noexcept {
  // release: whoever acts on the time sees the entry
  next_due_.store(timers_.next(), std::memory_order_release);
}

timer_wheel::handle seat::arm(std::uint64_t tick, const timer_wheel::target& whom) noexcept {
  std::lock_guard guard{timer_lock_};
  auto armed = timers_.insert(tick, whom);
  refresh_next_due();
  return armed;
}

timer_wheel::handle seat::arm_from_elsewhere(std::uint64_t tick, const timer_wheel::target& whom) noexcept {
  auto armed = arm(tick, whom);
  // A seat that waits already does so for what was the nearest before; one that is about to finds the wake-up.
  driver_->wake();
  return armed;
}

void seat::disarm(timer_wheel::handle timer) noexcept {
  std::lock_guard guard{timer_lock_};
  timers_.remove(timer);
  refresh_next_due();
}

void seat::count(std::atomic<std::uint64_t>& counter, std::uint64_t by) noexcept {
  // relaxed, and no read-modify-write: only the carrier writes it, others read whatever value is there
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

scheduler_statistics seat::statistics() const noexcept {
  // relaxed: statistics
  return {.resumed = resumed_.load(std::memory_order_relaxed),
          .stolen = stolen_.load(std::memory_order_relaxed),
          .idle_waits = idle_waits_.load(std::memory_order_relaxed),
          .handed_over = handed_over_.load(std::memory_order_relaxed)};
}

void timer_entry::arm(runnable& task, std::uint64_t epoch, time_point deadline, std::int32_t reason) noexcept {
  auto tick = timer_wheel::tick_at_or_after(deadline);
  timer_wheel::target whom{&task, epoch, reason};
  held_seat here;
  WEFT_CHECK(here.by() != nullptr, "a timer can be armed only by a task that a scheduler runs");
  seat_ = here.get() ? here.get() : &here.by()->owner().any_seat();
  auto armed = here.get() ? seat_->arm(tick, whom) : seat_->arm_from_elsewhere(tick, whom);
  node_ = armed.node;
  serial_ = armed.serial;
}

void timer_entry::disarm_armed() noexcept { std::exchange(seat_, nullptr)->disarm({node_, serial_}); }

}  // namespace weft::sched
