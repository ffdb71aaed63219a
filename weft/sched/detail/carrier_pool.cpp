#include "weft/sched/detail/carrier_pool.hpp"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <utility>

#include <weft/base/errno.hpp>
#include <weft/sched/detail/fork.hpp>

#include "weft/sched/detail/seat.hpp"
#include "weft/sched/detail/thread_state.hpp"
#include "weft/sched/detail/watchdog.hpp"

namespace weft::sched {
namespace {

/// How often in a row a task has to run shortly without a seat before it may run on one again.
constexpr std::uint8_t short_runs_wanted = 3;

blocked_time::moment present_of_this_thread() noexcept {
  return {.at = std::chrono::steady_clock::now(), .on_cpu = cpu_time_of(::pthread_self())};
}

}  // namespace

WEFT_THREAD_SLOT constinit thread_local runnable* weft_this_runnable = nullptr;
WEFT_THREAD_SLOT constinit thread_local carrier* weft_this_carrier = nullptr;

runnable* current_runnable() noexcept {
  auto* self = current_carrier();
  return self ? self->runs() : nullptr;
}

void resume_on_compute_carrier(carrier& by, runnable& task) noexcept {
  task.resume(by);
  static_cast<void>(by.end());
}

scheduler* scheduler_to_block() noexcept {
  auto* self = current_carrier();
  return self && !self->is_compute_carrier() && self->runs() ? &self->owner() : nullptr;
}

void begin_blocking() noexcept {
  auto& self = *current_carrier();
  if (std::exchange(self.counts_as_work_, false)) self.owner().external_work_ended();
  charge_blocked_time();
  self.set_blocks(true);
  if (self.seat_) self.owner().watchdog_->seat_is_blocked();
}

void end_blocking() noexcept {
  auto& self = *current_carrier();
  self.set_blocks(false);
  self.blocked_.restart(*self.runs(), present_of_this_thread());  // the wait has charged what it took
  if (held_seat{}.get()) {
    self.owner().external_work_ended();  // the task holds up a virtual clock by running on a seat
  } else {
    self.counts_as_work_ = true;
  }
}

[[gnu::noinline]] seat* carrier::lose_seat() noexcept {
  if (seat_) {
    leave();
    return seat_ = nullptr;
  }
  check_threads_exist();
  return nullptr;
}

void charge_blocked_time() noexcept {
  auto* self = current_carrier();
  if (self && self->runs() && self->blocked().is_noted()) self->charge_blocked_time();
}

[[gnu::noinline]] void carrier::charge_blocked_time() noexcept {
  const auto times = blocked_.take(*runs(), present_of_this_thread());
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (times[i] != std::chrono::nanoseconds{}) runs()->was_blocked(static_cast<stall_reason>(i), times[i]);
  }
}

void carrier::begin_on_this_thread() noexcept { errno_place_ = weft_errno_location(); }

runnable* carrier::take_thread_bound() noexcept {
  runnable* task = nullptr;
  if (!has_thread_bound() || thread_bound_ready_.pop(&task, 1) == 0) return nullptr;
  owner_.external_work_ended();
  return task;
}

carrier& carrier_pool::start(seat* place) {
  std::lock_guard guard{mutex_};
  auto& made = carriers_.emplace_back(owner_);
  made.seat_ = place;
  if (place) place->set_sitter(made);
  try {
    spares_.reserve(carriers_.size());  // so that giving back one never needs memory
    made.thread_ = std::thread{[this, &made] { work(made); }};
  } catch (...) {
    carriers_.pop_back();
    throw;
  }
  return made;
}

void carrier_pool::start_on(seat& place) { start(&place); }

carrier* carrier_pool::take_spare() {
  {
    std::lock_guard guard{mutex_};
    if (!spares_.empty()) {
      auto* spare = spares_.front();
      spares_.erase(spares_.begin());
      return spare;
    }
  }
  try {
    return &start(nullptr);
  } catch (const std::exception&) {
    return nullptr;  // no more threads to be had
  }
}

void carrier_pool::give_back(carrier& spare) noexcept {
  std::lock_guard guard{mutex_};
  spares_.push_back(&spare);
}

void carrier_pool::seat_spare(carrier& spare, seat& place) noexcept {
  std::lock_guard guard{mutex_};
  spare.seat_ = &place;
  spare.seated_.notify_one();
}

void carrier_pool::prepare_spare() noexcept {
  std::list<carrier> finished;
  {
    std::lock_guard guard{mutex_};
    for (auto each = carriers_.begin(); each != carriers_.end();) {
      auto next = std::next(each);
      if (each->finished_) finished.splice(finished.end(), carriers_, each);
      each = next;
    }
    if (!spares_.empty()) return join(finished);
  }
  join(finished);
  if (auto* spare = take_spare()) give_back(*spare);
}

void carrier_pool::join(std::list<carrier>& finished) noexcept {
  for (auto& each : finished) each.thread_.join();
  finished.clear();
}

void carrier_pool::run_seatless(runnable& task) noexcept {
  waiting_.push(task);
  announce_arrival();
  arrived_.notify_one();
}

void carrier_pool::announce_arrival() noexcept {
  // release: what has arrived; pairs with work_seatless()
  arrived_.fetch_add(1, std::memory_order_release);
}

void carrier_pool::add_seatless_carrier() noexcept {
  {
    std::lock_guard guard{mutex_};
    if (seatless_ >= most_seatless || idle_seatless_ > 0) return;
  }
  auto* spare = take_spare();
  if (!spare) return;
  lower_priority(*spare);
  std::lock_guard guard{mutex_};
  spare->seatless_ = true;
  spare->seated_.notify_one();
}

std::chrono::nanoseconds carrier_pool::cpu_time(carrier& one) noexcept {
  return cpu_time_of(one.thread_.native_handle());
}

int carrier_pool::thread_id(carrier& one) noexcept {
  std::lock_guard guard{mutex_};
  return one.thread_id_;
}

void carrier_pool::lower_priority(carrier& one) noexcept {
  if (auto id = thread_id(one); id != 0) run_after_seats(id);
}

void carrier_pool::work(carrier& self) noexcept {
  set_current_carrier(&self);
  {
    std::lock_guard guard{mutex_};
    self.thread_id_ = become_carrier();
  }
  if (auto* place = wait_for_seat(self)) {
    if (!place->run(self)) {
      self.forget_run();
      end_counting(self);
      serve_thread_bound(self);
      place->where_to_wait().end_on_this_thread();
      work_seatless(self);
    }
  } else {
    work_seatless(self);
  }
  set_current_carrier(nullptr);
}

/// The task that blocked `self` and went on without a seat has parked or ended.
void carrier_pool::end_counting(carrier& self) noexcept {
  if (std::exchange(self.counts_as_work_, false)) owner_.external_work_ended();
}

seat* carrier_pool::wait_for_seat(carrier& self) {
  std::unique_lock lock{mutex_};
  self.seated_.wait(lock, [&] { return self.seat_ || self.seatless_ || stopping_; });
  return self.seat_;
}

void carrier_pool::work_seatless(carrier& self) noexcept {
  std::unique_lock lock{mutex_};
  self.seat_ = nullptr;
  ++seatless_;
  // As many as there are seats may wait for the next task; more than that only take memory.
  while (!stopping_ && (waiting_.size() != 0 || idle_seatless_ < owner_.seat_count())) {
    runnable* task = nullptr;
    // acquire: what has arrived by now; pairs with announce_arrival(). What comes later ends the wait.
    auto seen = arrived_.load(std::memory_order_acquire);
    if (waiting_.pop(&task, 1) == 0) {
      ++idle_seatless_;
      lock.unlock();
      arrived_.wait(seen, std::memory_order_acquire);  // acquire: as above
      lock.lock();
      --idle_seatless_;
      continue;
    }
    // relaxed: numbers, as at the end; under the mutex, for no_seatless_work()
    seatless_begun_.fetch_add(1, std::memory_order_relaxed);
    resumed_.fetch_add(1, std::memory_order_relaxed);
    seatless_running_.fetch_add(1, std::memory_order_relaxed);
    lock.unlock();
    begin_run(self, *task);
    task->resume(self);
    static_cast<void>(self.end());
    end_counting(self);
    self.forget_run();
    seatless_running_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as at the beginning
    lock.lock();
  }
  --seatless_;
  self.finished_ = true;
}

void carrier_pool::begin_run(carrier& self, const runnable& task) noexcept {
  self.began_ = std::chrono::steady_clock::now();
  self.used_before_ = usage_of_this_thread();
  self.note_run(self.began_, task.who(), self.used_before_ ? self.used_before_->on_cpu : std::chrono::nanoseconds{});
}

bool carrier_pool::runs_on(carrier& self, runnable& task) noexcept {
  if (!task.stays_on_thread()) {
    run_seatless(task);
    return false;
  }
  auto* its = task.stays_on();
  if (its == &self) return true;
  if (!its) {
    self.begin_thread_bound();
    return true;
  }
  // Under the mutex: the task may end, and the carrier with it, but is not destroyed.
  std::lock_guard guard{mutex_};
  owner_.external_work_started();  // a virtual clock stands still until that carrier has taken it
  its->thread_bound_ready_.push(task);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // the push before, the look after; see serve_thread_bound
  // relaxed: ordered by the fence
  if (auto* place = its->sits_on_.load(std::memory_order_relaxed)) place->where_to_wait().wake();
  its->thread_bound_event_.notify();
  return false;
}

// A carrier that has lost its seat is all that those have which stay on it: it goes on for them, one after another. Its
// ring, if it has one, stays with it meanwhile; signals have it entered.
void carrier_pool::serve_thread_bound(carrier& self) noexcept {
  // seq_cst: before the look at the queue; pairs with runs_on()
  self.sits_on_.store(nullptr, std::memory_order_seq_cst);
  while (self.thread_bound_ != 0) {
    if (self.has_thread_bound()) {
      {
        // Before it is no longer work of others: no_seatless_work() sees one of the two. relaxed: numbers
        std::lock_guard guard{mutex_};
        seatless_running_.fetch_add(1, std::memory_order_relaxed);
        resumed_.fetch_add(1, std::memory_order_relaxed);
      }
      if (auto* task = self.take_thread_bound()) {
        begin_run(self, *task);
        task->resume(self);
        static_cast<void>(self.end());
        end_counting(self);
        self.forget_run();
      }
      seatless_running_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as above
      continue;
    }
    self.thread_bound_event_.prepare_wait();
    if (self.has_thread_bound()) {
      self.thread_bound_event_.cancel_wait();
    } else {
      self.thread_bound_event_.wait();
    }
  }
}

void carrier_pool::settle_debt(carrier& by, runnable& task) noexcept {
  if (by.is_compute_carrier() || task.stays_on_thread()) return;  // there it may compute; it has no choice
  auto was_short = [&] {
    if (std::chrono::steady_clock::now() - by.began_ < short_run_) return true;
    // It may be that the system ran others meanwhile, after which it is not to blame.
    auto used = usage_of_this_thread();
    const auto& before = by.used_before_;
    return used && before && used->on_cpu - before->on_cpu < short_run_ && used->sleeps == before->sleeps;
  };
  if (was_short()) {
    task.owe_short_runs(static_cast<std::uint8_t>(task.short_runs_owed() - 1));
  } else {
    task.owe_short_runs(short_runs_wanted);
  }
}

std::vector<carrier_pool::long_run> carrier_pool::find_long_runs(std::chrono::steady_clock::time_point before) {
  std::vector<long_run> found;
  std::lock_guard guard{mutex_};
  for (auto& each : carriers_) {
    // acquire: the site; pairs with note_run()
    const auto began = each.run_began_.load(std::memory_order_acquire);
    if (began == 0 || began >= before.time_since_epoch().count() || began == each.reported_run_) continue;
    // relaxed, both: acquired above; of a run that has begun since, at worst
    found.push_back({.spawned_at = each.run_site_.load(std::memory_order_relaxed),
                     .name = each.run_name_.get(),
                     .began = std::chrono::steady_clock::time_point{std::chrono::steady_clock::duration{began}},
                     .on_cpu = cpu_time(each) - each.run_cpu_before_.load(std::memory_order_relaxed),
                     .thread_id = each.thread_id_,
                     .by = &each});
  }
  return found;
}

void carrier_pool::note_blocked(std::chrono::steady_clock::time_point present) {
  inspected_.clear();
  {
    std::lock_guard guard{mutex_};
    for (auto& each : carriers_) {
      // acquire: its CPU time before; pairs with note_run()
      const auto began = each.run_began_.load(std::memory_order_acquire);
      const std::chrono::steady_clock::time_point since{std::chrono::steady_clock::duration{began}};
      if (began == 0 || each.blocks() || present - since < short_run_ || !each.blocked_.is_due(since, present))
        continue;
      inspected_.push_back({.by = &each, .began = began, .thread_id = each.thread_id_});
    }
  }
  // Without the mutex: a look takes some microseconds. Only the caller's thread destroys carriers.
  for (const auto& [by, began, thread_id] : inspected_) {
    const auto* task = by->runs();
    // relaxed: acquired above; of a run that has begun since, at worst, which the last look finds
    const auto cpu_before = by->run_cpu_before_.load(std::memory_order_relaxed);
    const auto why = activity_of(thread_id).reason;
    const blocked_time::moment now{.at = std::chrono::steady_clock::now(), .on_cpu = cpu_time(*by)};
    // acquire: the look at what it does comes first. A run that begins after this one costs no more than one look.
    if (!task || by->run_began_.load(std::memory_order_acquire) != began) continue;
    const std::chrono::steady_clock::time_point since{std::chrono::steady_clock::duration{began}};
    by->blocked_.note(*task, {.at = since, .on_cpu = cpu_before}, now, why);
  }
}

void carrier_pool::set_reported(const long_run& run) noexcept {
  std::lock_guard guard{mutex_};
  run.by->reported_run_ = run.began.time_since_epoch().count();
}

bool carrier_pool::may_have_long_runs() noexcept {
  std::lock_guard guard{mutex_};
  // relaxed: the number alone counts
  return std::ranges::any_of(carriers_, [](const carrier& each) {
    const auto began = each.run_began_.load(std::memory_order_relaxed);
    return began != 0 && began != each.reported_run_;
  });
}

bool carrier_pool::no_seatless_work() noexcept {
  std::lock_guard guard{mutex_};
  // Under the mutex a task goes from one to the other. relaxed: numbers
  if (waiting_.size() != 0 || seatless_running() != 0) return false;
  return std::ranges::none_of(carriers_,
                              [](const carrier& each) { return each.run_began_.load(std::memory_order_relaxed) != 0; });
}

void carrier_pool::bar_from_seats(runnable& task) noexcept {
  if (!task.stays_on_thread()) task.owe_short_runs(short_runs_wanted);
}

void carrier_pool::stop() noexcept {
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
    announce_arrival();
    arrived_.notify_all();
    for (auto* spare : spares_) spare->seated_.notify_one();
    spares_.clear();
  }
  // Nobody starts a carrier any more: the list is this thread's.
  for (auto& each : carriers_) each.thread_.join();
  carriers_.clear();
}

}  // namespace weft::sched
