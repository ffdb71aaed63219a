#include <weft/task/compute_pool.hpp>

#include <algorithm>
#include <exception>
#include <new>

#include <weft/base/asymmetric_fence.hpp>
#include <weft/base/spin_lock.hpp>
#include <weft/sched/fork.hpp>

#include "task/compute_thread.hpp"

namespace weft::detail {

compute_pool::compute_pool(std::size_t most_carriers)
    : most_{most_carriers},
      workers_{std::make_unique<std::unique_ptr<compute_worker>[]>(most_carriers)},
      asleep_{most_carriers} {
  base::prepare_asymmetric_fence();
  sleepers_.reserve(most_);
}

compute_pool::~compute_pool() {
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
    for (auto* each : sleepers_) each->bell_.ring();
  }
  // relaxed: nobody starts a worker any more
  for (std::size_t i = 0; i < started_.load(std::memory_order_relaxed); ++i) workers_[i]->thread_.join();
}

void compute_pool::submit(compute_job& job) noexcept {
  sched::check_threads_exist();
  std::unique_lock lock{mutex_};
  job.queued_at_ = std::chrono::steady_clock::now();
  queue_.push_back(job);
  // seq_cst: before the look at who searches; pairs with run_one()
  auto before = queued_.fetch_add(1, std::memory_order_seq_cst);
  // seq_cst: as above. Who searches looks at the queue under the mutex before it sleeps, and wakes another when it
  // finds something else.
  bool somebody_comes = searching_.load(std::memory_order_seq_cst) > before;
  if (somebody_comes || !sleepers_.empty() || start_worker()) {
    auto* sleeper = somebody_comes || sleepers_.empty() ? nullptr : sleepers_.back();
    if (sleeper) get_up(*sleeper);
    lock.unlock();
    if (sleeper) wake(*sleeper);
    return;
  }
  // relaxed: under the mutex
  if (started_.load(std::memory_order_relaxed) != 0) return;  // those there are take it in turn
  base::intrusive_list<compute_job>::remove(job);
  queued_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as above
  lock.unlock();
  job.run(compute_worker::here());
}

bool compute_pool::withdraw(compute_job& job) noexcept {
  std::lock_guard guard{mutex_};
  if (!job.is_linked()) return false;
  base::intrusive_list<compute_job>::remove(job);
  queued_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as in submit()
  return true;
}

compute_job* compute_pool::take_job(std::chrono::steady_clock::duration queued_for) noexcept {
  // relaxed: a hint; under the mutex it is certain
  if (queued_.load(std::memory_order_relaxed) == 0) return nullptr;
  std::lock_guard guard{mutex_};
  auto* oldest = queue_.front();
  if (!oldest) return nullptr;
  if (queued_for != std::chrono::steady_clock::duration{} &&
      std::chrono::steady_clock::now() - oldest->queued_at_ < queued_for) {
    return nullptr;
  }
  queued_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as in submit()
  begun_.fetch_add(1, std::memory_order_relaxed);   // relaxed: a number
  return queue_.pop_front();
}

void compute_pool::stop(fork_root& root, errc why) noexcept {
  root.set_stopped(why);
  // acquire: the workers are made; pairs with start_worker(). One that starts later looks by itself.
  auto count = started_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) workers_[i]->check_soon();
}

fork_frame* compute_pool::steal(compute_worker& self) noexcept {
  // acquire: the workers are made; pairs with start_worker()
  auto count = static_cast<std::uint32_t>(started_.load(std::memory_order_acquire));
  if (count < 2) return nullptr;
  auto first = self.random_.below(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& victim = *workers_[(first + i) % count];
    if (&victim == &self) continue;
    if (auto* frame = victim.deque_.take_oldest()) {
      stolen_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a number
      // Where one frame was, there may be more.
      if (!victim.offers_nothing()) wake_for_frames();
      return frame;
    }
  }
  return nullptr;
}

bool compute_pool::run_one(compute_worker& self, takes_jobs also) noexcept {
  auto* job = also == takes_jobs::yes ? take_job(patience) : nullptr;
  auto* frame = job ? nullptr : steal(self);
  if (!job && !frame && also == takes_jobs::yes) job = take_job({});
  if (!job && !frame) return false;
  // seq_cst: before the look at the queue; pairs with submit()
  if (also == takes_jobs::yes) searching_.fetch_sub(1, std::memory_order_seq_cst);
  if (frame) {
    // seq_cst: as above
    if (queued_.load(std::memory_order_seq_cst) != 0) wake_one();
    self.run_stolen(*frame);
  } else {
    job->run(self);
  }
  if (also == takes_jobs::yes)
    searching_.fetch_add(1, std::memory_order_relaxed);  // relaxed: one too few wakes another
  return true;
}

bool compute_pool::search(compute_worker& self, takes_jobs also, const std::atomic<bool>* ended) noexcept {
  constexpr int looks_at_the_clock = 16;
  auto until = std::chrono::steady_clock::now() + awake;
  do {
    for (int i = 0; i < looks_at_the_clock; ++i) {
      // acquire: what the computation did; pairs with its end
      if (ended && ended->load(std::memory_order_acquire)) return true;
      if (run_one(self, also)) return true;
      for (int pauses = 0; pauses < 8; ++pauses) base::pause();
    }
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

void compute_pool::help(compute_worker& self, const std::atomic<bool>& ended) noexcept {
  // acquire: what the computation did; pairs with its end
  while (!ended.load(std::memory_order_acquire)) {
    if (!self.pool_->search(self, takes_jobs::no, &ended)) {
      static_cast<void>(self.pool_->fall_asleep(self, &ended));
    }
  }
}

void compute_pool::work(compute_worker& self) noexcept {
  become_compute_thread();
  this_compute_worker = &self;
  self.use(self.unused_stack());
  do {
    searching_.fetch_add(1, std::memory_order_relaxed);  // relaxed: one too few wakes another
    while (search(self, takes_jobs::yes, nullptr)) {}
    searching_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: ordered by the mutex, under which it looks again
  } while (fall_asleep(self, nullptr));
  this_compute_worker = nullptr;
}

bool compute_pool::anything_to_steal() const noexcept {
  // acquire: the workers are made; pairs with start_worker()
  auto count = started_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) {
    if (!workers_[i]->deque_.empty()) return true;
  }
  return false;
}

// True: woken, or there is something. False: the pool ends.
bool compute_pool::fall_asleep(compute_worker& self, const std::atomic<bool>* ended) noexcept {
  {
    std::lock_guard guard{mutex_};
    if (!ended && !queue_.empty()) return true;
    if (!ended && stopping_) return false;
    self.bell_.prepare();
    self.asleep_ = true;
    sleepers_.push_back(&self);
    // seq_cst: before the workers' attention is called for; pairs with wake_for_frames()
    asleep_.fetch_add(1, std::memory_order_seq_cst);
  }
  // acquire: the workers are made; pairs with start_worker()
  auto count = started_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) workers_[i]->deque_.call_for_attention();
  base::asymmetric_fence_heavy();  // of those who push, one sees the call, or its frame is seen below
  // acquire: what the computation did; pairs with its end
  bool stays = !anything_to_steal() && !(ended && ended->load(std::memory_order_acquire));
  if (stays) self.bell_.wait();
  std::lock_guard guard{mutex_};
  if (!stays) self.bell_.forget();
  if (self.asleep_) get_up(self);
  return true;
}

// Under the mutex.
void compute_pool::get_up(compute_worker& self) noexcept {
  self.asleep_ = false;
  std::erase(sleepers_, &self);
  asleep_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: one too many costs a look under the mutex
}

void compute_pool::wake_one() noexcept {
  std::unique_lock lock{mutex_};
  if (sleepers_.empty()) {
    if (!stopping_) static_cast<void>(start_worker());
    return;
  }
  auto* sleeper = sleepers_.back();
  get_up(*sleeper);
  lock.unlock();
  wake(*sleeper);
}

// Under the mutex. Whether there is one more.
bool compute_pool::start_worker() noexcept {
  // relaxed: changed under the mutex
  auto index = started_.load(std::memory_order_relaxed);
  if (index == most_) return false;
  try {
    auto made = std::make_unique<compute_worker>(this, index + 1);
    made->thread_ = std::thread{[this, self = made.get()] { work(*self); }};
    workers_[index] = std::move(made);
  } catch (const std::exception&) {
    return false;  // no more threads to be had
  }
  // release: the worker is made; pairs with those who look at it
  started_.store(index + 1, std::memory_order_release);
  asleep_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as in get_up()
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
          .queued = queued_.load(std::memory_order_relaxed),
          .begun = begun_.load(std::memory_order_relaxed),
          .stolen = stolen_.load(std::memory_order_relaxed),
          .exceptions_lost = exceptions_lost_.load(std::memory_order_relaxed)};
}

}  // namespace weft::detail
