#include <weft/compute/detail/compute_pool.hpp>

#include <algorithm>
#include <exception>
#include <new>

#include <weft/base/detail/asymmetric_fence.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/compute/detail/compute_placement.hpp>
#include <weft/sched/detail/fork.hpp>
#include <weft/task/detail/host.hpp>
#include <weft/task/detail/virtual_thread.hpp>

#include "weft/compute/detail/compute_carrier_thread.hpp"
#include "weft/compute/detail/topology.hpp"
#include "weft/sched/detail/carrier.hpp"

namespace weft::detail {

namespace {

constexpr blocked_in_place::observer stands_in_for_blocked{
    .begin = []() noexcept -> void* {
      auto* pool = this_compute_carrier ? this_compute_carrier->pool() : nullptr;
      if (pool) pool->carrier_blocks();
      return pool;
    },
    .end = [](void* pool) noexcept { static_cast<compute_pool*>(pool)->carrier_resumes(); }};

}  // namespace

void compute_placement::push(virtual_thread& ready) noexcept { ready.home_host()->compute_pool().resume(ready); }

compute_pool::compute_pool(sched::scheduler& home, std::size_t most_carriers, std::size_t longest_queue)
    : home_{home},
      most_{most_carriers},
      longest_queue_{longest_queue},
      carriers_{std::make_unique<std::unique_ptr<compute_carrier>[]>(most_carriers + most_spares)},
      asleep_{most_carriers} {
  base::prepare_asymmetric_fence();
  blocked_in_place::set_observer(stands_in_for_blocked);
  sleepers_.reserve(most_ + most_spares);
  suspended_.reserve(most_ + most_spares);
}

void compute_pool::stop() noexcept {
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
    for (auto* each : sleepers_) each->event_count_.notify();
    for (auto* each : suspended_) each->event_count_.notify();
  }
  // relaxed: nobody starts a carrier any more
  for (std::size_t i = 0; i < started_.load(std::memory_order_relaxed); ++i) {
    if (carriers_[i]->thread_.joinable()) carriers_[i]->thread_.join();
  }
  // acquire: comes after what they did; pairs with resume()
  while (resuming_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
}

compute_pool::submission compute_pool::submit(compute_job& job, entry how) noexcept {
  sched::check_threads_exist();
  std::unique_lock lock{mutex_};
  if (how == entry::in_order_if_room && in_order_ >= longest_queue_) {
    ++refused_;
    return submission::full;
  }
  job.queued_at_ = std::chrono::steady_clock::now();
  job.in_order_ = how != entry::first;
  if (job.in_order_) ++in_order_;
  (job.in_order_ ? queue_ : first_).push_back(job);
  // seq_cst: before the look at who searches; pairs with run_one()
  if (call_carrier(lock, queued_.fetch_add(1, std::memory_order_seq_cst))) return submission::queued;
  base::intrusive_list<compute_job>::remove(job);
  if (job.in_order_) --in_order_;
  queued_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: under the mutex
  return submission::no_thread;
}

// As soon as the task is queued it may run and end, and what waits for it may end the pool: not before the caller has
// left, though.
void compute_pool::resume(virtual_thread& task) noexcept {
  // relaxed: the push publishes it, and stop() comes after the task
  resuming_.fetch_add(1, std::memory_order_relaxed);
  home_.external_work_started();
  {
    std::unique_lock lock{mutex_};
    ++resumed_;
    ready_.push(task);
    // seq_cst: as in submit()
    static_cast<void>(call_carrier(lock, queued_.fetch_add(1, std::memory_order_seq_cst)));  // one has begun the task
  }
  // release: the caller is done with the pool; pairs with stop()
  resuming_.fetch_sub(1, std::memory_order_release);
}

// Something was queued behind `before` others: has somebody come for it. False: there is no carrier at all. Otherwise
// lets go of the lock.
bool compute_pool::call_carrier(std::unique_lock<std::mutex>& lock, std::size_t before) noexcept {
  // seq_cst: after the count of what is queued, as said there. Who searches looks at the queue under the mutex before
  // it sleeps, and wakes another when it finds something else.
  bool somebody_comes = searching_.load(std::memory_order_seq_cst) > before;
  auto* sleeps = somebody_comes ? nullptr : sleeper();
  if (sleeps) mark_awake(*sleeps);
  if (!somebody_comes && !sleeps && !start_carrier()) {
    // relaxed: under the mutex
    if (started_.load(std::memory_order_relaxed) == 0) return false;  // otherwise those there are take it in turn
  }
  lock.unlock();
  if (sleeps) wake(*sleeps);
  return true;
}

bool compute_pool::withdraw(compute_job& job) noexcept {
  std::lock_guard guard{mutex_};
  if (!job.is_linked()) return false;
  base::intrusive_list<compute_job>::remove(job);
  if (job.in_order_) --in_order_;
  queued_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: under the mutex
  return true;
}

compute_pool::taken compute_pool::take() noexcept {
  // relaxed: a hint; under the mutex it is certain
  if (queued_.load(std::memory_order_relaxed) == 0) return {};
  std::lock_guard guard{mutex_};
  auto* oldest = queue_.front();
  if (oldest && std::chrono::steady_clock::now() - oldest->queued_at_ >= patience) {
    if (auto found = take_oldest(queue_)) return found;
  }
  if (sched::runnable* task = nullptr; ready_.pop(&task, 1) == 1) {
    queued_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as in withdraw()
    return {.task = static_cast<virtual_thread*>(task)};
  }
  if (auto found = take_oldest(first_)) return found;
  return anything_to_steal() ? taken{} : take_oldest(queue_);
}

// Under the mutex.
compute_pool::taken compute_pool::take_oldest(base::intrusive_list<compute_job>& from) noexcept {
  while (auto* job = from.pop_front()) {
    queued_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as in withdraw()
    if (job->in_order_) --in_order_;
    virtual_thread* task = nullptr;
    switch (job->begin(task)) {
      case compute_job::beginning::here: ++begun_; return {.job = job};
      case compute_job::beginning::as_task: ++begun_; return {.task = task};
      case compute_job::beginning::by_itself: ++begun_; [[fallthrough]];
      case compute_job::beginning::not_at_all: home_.external_work_ended();
    }
  }
  return {};
}

void compute_pool::run_task(compute_carrier& self, virtual_thread& task) noexcept {
  this_compute_carrier = nullptr;
  sched::resume_on_compute_carrier(*self.carrier_, task);
  this_compute_carrier = &self;
  home_.external_work_ended();
}

void compute_pool::stop_computation(fork_root& root, errc why) noexcept {
  root.set_stopped(why);
  // acquire: the carriers are made; pairs with start_carrier(). One that starts later looks by itself.
  auto count = started_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) carriers_[i]->check_soon();
}

fork_frame* compute_pool::steal(compute_carrier& self, const awaited* waits_for) noexcept {
  // acquire: it is made; pairs with work()
  if (const auto* cores = cores_.load(std::memory_order_acquire)) {
    self.near_.store(cores->group_here(), std::memory_order_relaxed);  // relaxed: a hint
    if (auto* frame = steal_from(self, victims::near, waits_for)) return frame;
  }
  return steal_from(self, victims::all, waits_for);
}

fork_frame* compute_pool::steal_from(compute_carrier& self, victims which, const awaited* waits_for) noexcept {
  // acquire: the carriers are made; pairs with start_carrier()
  auto count = static_cast<std::uint32_t>(started_.load(std::memory_order_acquire));
  if (count < 2) return nullptr;
  auto first = self.random_.below(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& victim = *carriers_[(first + i) % count];
    if (&victim == &self) continue;
    // relaxed, both: hints
    if (which == victims::near &&
        victim.near_.load(std::memory_order_relaxed) != self.near_.load(std::memory_order_relaxed)) {
      continue;
    }
    auto* frame = waits_for ? victim.take_oldest_within(waits_for->root) : victim.deque_.take_oldest();
    if (frame) {
      stolen_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a number
      // Where one frame was, there may be more.
      if (!victim.offers_nothing()) wake_for_frames();
      return frame;
    }
  }
  return nullptr;
}

bool compute_pool::run_one(compute_carrier& self, const awaited* waits_for) noexcept {
  auto found = waits_for ? taken{} : take();
  auto* frame = found ? nullptr : steal(self, waits_for);
  if (!found && !frame) return false;
  // seq_cst: before the look at the queue; pairs with call_carrier()
  if (!waits_for) searching_.fetch_sub(1, std::memory_order_seq_cst);
  home_.compute_started();
  if (frame) {
    // seq_cst: as above
    if (!waits_for && queued_.load(std::memory_order_seq_cst) != 0) wake_one();
    self.run_stolen(*frame);
  } else if (found.task) {
    run_task(self, *found.task);
  } else {
    found.job->run(self);
  }
  home_.compute_ended();
  if (!waits_for) searching_.fetch_add(1, std::memory_order_relaxed);  // relaxed: one too few wakes another
  return true;
}

bool compute_pool::search(compute_carrier& self, const awaited* waits_for) noexcept {
  constexpr int rounds_between_clock_reads = 16;
  auto until = std::chrono::steady_clock::now() + awake;
  do {
    for (int i = 0; i < rounds_between_clock_reads; ++i) {
      if (waits_for && waits_for->is_over()) return true;
      if (run_one(self, waits_for)) return true;
      for (int pauses = 0; pauses < 8; ++pauses) base::pause();
    }
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

// The carrier sleeps until the end: what is offered meanwhile the carrier takes that has its place.
void compute_pool::help(compute_carrier& self, const awaited& what) noexcept {
  while (!what.is_over()) {
    if (self.pool_->search(self, &what)) continue;
    self.event_count_.prepare_wait();
    self.pool_->carrier_blocks();  // executes a heavy fence: the look comes after prepare_wait() for whoever notifies
    what.is_over() ? self.event_count_.cancel_wait() : self.event_count_.wait();
    self.pool_->carrier_resumes();
  }
}

void compute_pool::work(compute_carrier& self) noexcept {
  become_compute_carrier();
  sched::carrier carrier{home_, sched::carrier::kind::compute};
  self.carrier_ = &carrier;
  sched::set_current_carrier(&carrier);
  this_compute_carrier = &self;
  self.use(self.unused_stack());
  // Of two there is no choice.
  if (most_ > 2 && topology::of_this_machine().has_groups()) {
    // release: it is made; pairs with steal()
    cores_.store(&topology::of_this_machine(), std::memory_order_release);
  }
  do {
    // relaxed: a hint; under the mutex it is certain
    if (surplus_.load(std::memory_order_relaxed)) suspend_surplus(self);
    searching_.fetch_add(1, std::memory_order_relaxed);  // relaxed: one too few wakes another
    // relaxed: as above
    while (!surplus_.load(std::memory_order_relaxed) && search(self, nullptr)) {}
    searching_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: ordered by the mutex, under which it looks again
  } while (fall_asleep(self));
  this_compute_carrier = nullptr;
  sched::set_current_carrier(nullptr);
}

void compute_pool::carrier_blocks() noexcept {
  {
    std::lock_guard guard{mutex_};
    ++blocked_;
    recount();
  }
  call_for_attention();
  // relaxed: what is queued from here on finds that one more may come
  if (queued_.load(std::memory_order_relaxed) != 0 || anything_to_steal()) wake_one();
}

void compute_pool::carrier_resumes() noexcept {
  std::lock_guard guard{mutex_};
  --blocked_;
  recount();
}

// One that took the place of a carrier that blocked, and is one too many. If it was counted on, another comes.
void compute_pool::suspend_surplus(compute_carrier& self) noexcept {
  {
    std::lock_guard guard{mutex_};
    // relaxed: under the mutex, as the next
    if (stopping_ || !surplus_.load(std::memory_order_relaxed)) return;
    self.event_count_.prepare_wait();
    suspended_.push_back(&self);
    recount();
    auto* another = queued_.load(std::memory_order_relaxed) != 0 ? sleeper() : nullptr;
    if (another) {
      mark_awake(*another);
      wake(*another);
    }
  }
  self.event_count_.wait();
}

// Under the mutex, as what follows.
std::size_t compute_pool::allowed() const noexcept { return most_ + std::min(blocked_, most_spares); }

std::size_t compute_pool::present() const noexcept {
  // relaxed: changed under the mutex
  return started_.load(std::memory_order_relaxed) - suspended_.size();
}

void compute_pool::recount() noexcept {
  auto may = allowed(), are = present();
  // seq_cst: before the carriers' attention is called for; pairs with wake_for_frames()
  asleep_.store(sleepers_.size() + (may > are ? may - are : 0), std::memory_order_seq_cst);
  surplus_.store(are > may, std::memory_order_relaxed);  // relaxed: read under the mutex as well
}

void compute_pool::call_for_attention() noexcept {
  // acquire: the carriers are made; pairs with start_carrier()
  auto count = started_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) carriers_[i]->deque_.call_for_attention();
  base::asymmetric_fence_heavy();  // of those who push, one sees the call, or its frame is seen after it
}

bool compute_pool::anything_to_steal() const noexcept {
  // acquire: the carriers are made; pairs with start_carrier()
  auto count = started_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) {
    if (!carriers_[i]->deque_.empty()) return true;
  }
  return false;
}

// True: woken, or there is something. False: the pool ends.
bool compute_pool::fall_asleep(compute_carrier& self) noexcept {
  {
    std::lock_guard guard{mutex_};
    // relaxed, both: under the mutex
    if (queued_.load(std::memory_order_relaxed) != 0) return true;
    if (stopping_) return false;
    if (surplus_.load(std::memory_order_relaxed)) return true;
    self.event_count_.prepare_wait();
    self.asleep_ = true;
    sleepers_.push_back(&self);
    recount();
  }
  call_for_attention();
  bool stays = !anything_to_steal();
  if (stays) self.event_count_.wait();
  std::lock_guard guard{mutex_};
  if (!stays) self.event_count_.cancel_wait();
  if (self.asleep_) mark_awake(self);
  return true;
}

// Under the mutex.
void compute_pool::mark_awake(compute_carrier& self) noexcept {
  self.asleep_ = false;
  std::erase(sleepers_, &self);
  recount();
}

void compute_pool::wake_one() noexcept {
  std::unique_lock lock{mutex_};
  auto* sleeps = sleeper();
  if (!sleeps) {
    if (!stopping_) static_cast<void>(start_carrier());
    return;
  }
  mark_awake(*sleeps);
  lock.unlock();
  wake(*sleeps);
}

// Under the mutex. Whether there is one more.
bool compute_pool::start_carrier() noexcept {
  if (present() >= allowed()) return false;
  if (!suspended_.empty()) {
    auto* back = suspended_.back();
    suspended_.pop_back();
    recount();
    wake(*back);
    return true;
  }
  // relaxed: changed under the mutex
  auto index = started_.load(std::memory_order_relaxed);
  try {
    auto made = std::make_unique<compute_carrier>(this, index + 1);
    made->thread_ = std::thread{[this, self = made.get()] { work(*self); }};
    carriers_[index] = std::move(made);
  } catch (const std::exception&) {
    return false;  // no more threads to be had
  }
  // release: the carrier is made; pairs with those who look at it
  started_.store(index + 1, std::memory_order_release);
  recount();
  return true;
}

void compute_pool::note(const std::source_location& called_at, std::chrono::nanoseconds took) noexcept try {
  std::lock_guard guard{sites_mutex_};
  auto& site = sites_[{called_at.file_name(), called_at.line()}];
  site.called_at = called_at;
  ++site.calls;
  site.total += took;
  site.longest = std::max(site.longest, took);
} catch (const std::bad_alloc&) {
  // One measurement less.
}

std::vector<compute_site> compute_pool::sites() const {
  std::lock_guard guard{sites_mutex_};
  std::vector<compute_site> all;
  all.reserve(sites_.size());
  for (const auto& [place, site] : sites_) all.push_back(site);
  return all;
}

compute_statistics compute_pool::statistics() const noexcept {
  std::lock_guard guard{mutex_};
  // relaxed: numbers
  return {.carriers = started_.load(std::memory_order_relaxed),
          .asleep = sleepers_.size(),
          .queued = queued_.load(std::memory_order_relaxed) - ready_.size(),
          .ready = ready_.size(),
          .blocked = blocked_,
          .begun = begun_,
          .resumed = resumed_,
          .refused = refused_,
          .stolen = stolen_.load(std::memory_order_relaxed),
          .exceptions_lost = exceptions_lost_.load(std::memory_order_relaxed)};
}

}  // namespace weft::detail
