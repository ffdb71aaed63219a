#include <weft/sched/detail/scheduler.hpp>

#include <sched.h>

#include <algorithm>
#include <thread>

#include <weft/base/detail/asymmetric_fence.hpp>

#include "weft/sched/detail/carrier_pool.hpp"
#include "weft/sched/detail/seat.hpp"
#include "weft/sched/detail/watchdog.hpp"

namespace weft::sched {

std::size_t available_cores() noexcept {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    if (auto count = CPU_COUNT(&set); count > 0) return static_cast<std::size_t>(count);
  }
#endif
  return std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

void global_queue::push(runnable& task) noexcept {
  std::lock_guard guard{lock_};
  task.next_ = nullptr;
  (tail_ ? tail_->next_ : head_) = &task;
  tail_ = &task;
  // release: pairs with size(); an own atomic so that seats can look without the lock
  size_.store(size_.load(std::memory_order_relaxed) + 1, std::memory_order_release);  // relaxed: under the lock
}

std::size_t global_queue::pop(runnable** into, std::size_t most) noexcept {
  std::lock_guard guard{lock_};
  std::size_t count = 0;
  while (count < most && head_) {
    into[count++] = head_;
    head_ = head_->next_;
  }
  if (!head_) tail_ = nullptr;
  // relaxed: under the lock; readers of a smaller number need no order
  size_.store(size_.load(std::memory_order_relaxed) - count, std::memory_order_relaxed);
  return count;
}

std::size_t global_queue::size() const noexcept {
  // acquire: used after a fence by a seat that is about to sleep
  return size_.load(std::memory_order_acquire);
}

scheduler::scheduler(scheduler_options options) : carriers_{std::make_unique<carrier_pool>(*this)} {
  base::prepare_asymmetric_fence();
  auto count = options.seats != 0 ? options.seats : available_cores();
  auto make_driver =
      options.make_driver ? std::move(options.make_driver) : [](std::size_t) { return make_parking_driver(); };
  for (std::size_t i = 0; i < count; ++i) seats_.push_back(std::make_unique<seat>(*this, i, count, make_driver(i)));
  idle_.reserve(count);
  // Under a virtual clock all is to happen in the order that the tasks give, whatever time it takes.
  if (virtual_clock::active()) options.watchdog.enabled = false;
  watchdog_ = std::make_unique<class watchdog>(*this, *carriers_, std::move(options.watchdog));
  try {
    for (auto& each : seats_) carriers_->start_on(*each);
    watchdog_->start();
  } catch (...) {
    stop();
    throw;
  }
}

scheduler::~scheduler() { stop(); }

void scheduler::stop() noexcept {
  // First: from here on no seat changes hands.
  watchdog_->stop();
  // release: pairs with the acquire in find_task
  stopping_.store(true, std::memory_order_release);
  for (auto& each : seats_) each->where_to_wait().wake();
  carriers_->stop();
  // acquire: comes after what they did; pairs with push_arrival()
  while (pushing_arrivals_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
}

scheduler* scheduler::current() noexcept {
  auto* here = current_carrier();
  return here ? &here->owner() : nullptr;
}

// As soon as the task is pushed it may run and end, and what waits for it may end the scheduler: not before the caller
// has left, though.
void scheduler::push_arrival(runnable& task) noexcept {
  // relaxed: the push publishes it, and stop() comes after the task
  pushing_arrivals_.fetch_add(1, std::memory_order_relaxed);
  arrivals_.push(task);
  wake_one();
  // release: the caller is done with the scheduler; pairs with stop()
  pushing_arrivals_.fetch_sub(1, std::memory_order_release);
}

void scheduler::schedule(runnable& task) noexcept {
  held_seat here;
  if (here.get() && &here.get()->owner() == this) {
    here.get()->push_next(task);
  } else {
    push_arrival(task);
  }
}

void scheduler::schedule_last(runnable& task) noexcept {
  held_seat here;
  if (here.get() && &here.get()->owner() == this) {
    here.get()->push_last(task);
  } else {
    push_arrival(task);
  }
}

void scheduler::schedule_spawned(runnable& task) noexcept {
  held_seat here;
  if (here.get() && &here.get()->owner() == this) {
    here.get()->push_spawned(task);
  } else {
    push_arrival(task);
  }
}

// Called after a task was pushed where others can find it. Either this sees the idle seat and wakes it, or that seat's
// second look, made after it counted itself idle, sees the task: both are separated by sequentially consistent fences.
void scheduler::wake_one() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // the push before, the loads after: see above
  // relaxed: ordered by the fence
  if (idle_count_.load(std::memory_order_relaxed) == 0) return;
  // A seat that searches will find the task, or look again after it stopped searching. relaxed: ordered by the fence
  if (searching_.load(std::memory_order_relaxed) != 0) return;
  seat* chosen = nullptr;
  {
    std::lock_guard guard{idle_mutex_};
    // relaxed: a second searcher does no harm
    if (idle_.empty() || searching_.load(std::memory_order_relaxed) != 0) return;
    chosen = idle_.back();
    idle_.pop_back();
    idle_count_.fetch_sub(1, std::memory_order_seq_cst);  // seq_cst: as in become_idle
    // On behalf of the woken seat, so that nobody else is woken for the same task. seq_cst: see stop_searching
    searching_.fetch_add(1, std::memory_order_seq_cst);
    chosen->searching_ = true;  // the seat reads it after it took idle_mutex_
  }
  chosen->where_to_wait().wake();
}

/// How many tasks a seat that has none could take.
std::size_t scheduler::visible_work() const noexcept {
  auto found = arrivals_.size();
  for (const auto& each : seats_) found += each->queued();
  return found;
}

void scheduler::become_idle(seat& self) noexcept {
  // Before it counts itself idle: who brings work meanwhile need not wake it.
  if (cores_are_taken()) [[unlikely]]
    std::this_thread::sleep_for(watchdog::pause_when_cores_are_taken);
  {
    std::lock_guard guard{idle_mutex_};
    idle_.push_back(&self);
    idle_count_.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: pairs with the fence in wake_one
    if (self.searching_) {
      self.searching_ = false;
      // Inside the lock, so that a waker sees either a searcher or an idle seat. seq_cst: as above
      searching_.fetch_sub(1, std::memory_order_seq_cst);
    }
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);  // counted idle before, the look after: see wake_one
  // What is visible may be left to those who search. seq_cst: they look again after they stopped, see stop_searching
  bool is_free = visible_work() == 0 || searching_.load(std::memory_order_seq_cst) != 0;
  // acquire: what was done before stop() is seen
  if (is_free && !stopping_.load(std::memory_order_acquire)) {
    if (virtual_clock::active() && all_idle()) advance_virtual_clock();
    auto deadline = self.next_timer();
    if (virtual_clock::active() && deadline != no_deadline) {
      deadline = deadline <= now() ? time_point::min() : no_deadline;
    }
    self.count(self.idle_waits_);
    self.poll_driver(deadline);
  }
  std::lock_guard guard{idle_mutex_};
  auto found = std::find(idle_.begin(), idle_.end(), &self);
  if (found != idle_.end()) {
    idle_.erase(found);
    idle_count_.fetch_sub(1, std::memory_order_seq_cst);  // seq_cst: as above
  }
  watchdog_->seat_is_busy();
  // acquire: the event counts; pairs with notify_when_busy()
  for (auto& each : busy_listeners_) {
    if (auto* listener = each.load(std::memory_order_acquire)) listener->notify();
  }
}

bool scheduler::cores_are_taken() const noexcept { return watchdog_->cores_are_taken(); }

bool scheduler::all_seats_idle() const noexcept {
  // seq_cst: the watchdog must see a seat that stopped being idle, or that seat the watchdog asleep
  return idle_count_.load(std::memory_order_seq_cst) == seats_.size();
}

std::vector<stall_site> scheduler::stalls() const { return watchdog_ ? watchdog_->sites() : std::vector<stall_site>{}; }

bool scheduler::all_idle() const noexcept {
  // seq_cst: the last seat to count itself idle must see the others'
  return all_seats_idle() && external_work_.load(std::memory_order_seq_cst) == 0;
}

bool scheduler::nothing_is_due() noexcept {
  return all_idle() && visible_work() == 0 && carriers_->no_seatless_work() &&
         std::ranges::all_of(seats_, [](auto& each) { return each->next_timer() == no_deadline; });
}

bool scheduler::awaits_input() const noexcept {
  return std::ranges::any_of(seats_, [](const auto& each) { return each->where_to_wait().awaits_input(); });
}

void scheduler::advance_virtual_clock() noexcept {
  auto next = no_deadline;
  for (auto& each : seats_) next = std::min(next, each->next_timer());
  if (next == no_deadline) return;
  virtual_clock::active()->advance_to(next);
  for (auto& each : seats_) {
    if (each->next_timer() <= next) each->where_to_wait().wake();
  }
}

void scheduler::external_work_started() noexcept {
  // seq_cst: pairs with all_idle
  external_work_.fetch_add(1, std::memory_order_seq_cst);
}

void scheduler::external_work_ended() noexcept {
  // seq_cst: pairs with all_idle. A seat that found the clock held up sleeps: wake one to look again.
  if (external_work_.fetch_sub(1, std::memory_order_seq_cst) == 1 && virtual_clock::active()) {
    for (auto& each : seats_) each->where_to_wait().wake();
  }
}

scheduler_statistics scheduler::statistics() const noexcept {
  scheduler_statistics sum;
  // relaxed: a number
  sum.resumed = compute_runs_.load(std::memory_order_relaxed) + carriers_->resumed();
  for (const auto& each : seats_) {
    auto one = each->statistics();
    sum.resumed += one.resumed;
    sum.stolen += one.stolen;
    sum.idle_waits += one.idle_waits;
    sum.handed_over += one.handed_over;
  }
  return sum;
}

[[gnu::flatten]] void runnable::make_ready() noexcept { home_->schedule(*this); }

}  // namespace weft::sched
