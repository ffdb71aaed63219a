#include "weft/runtime/detail/hibernator.hpp"

#include <new>

#include <weft/base/detail/block_cache.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/task/detail/virtual_thread.hpp>

#include "weft/base/detail/own_thread.hpp"
#include "weft/runtime/detail/parked_virtual_threads.hpp"

namespace weft::detail {

void let_go(virtual_thread& task) noexcept { task.let_go(); }

hibernator::hibernator(runtime& home, duration after) : home_{home}, after_{after} {}

void hibernator::start() {
  // Time that a program makes up says nothing about how long memory lies idle.
  if (virtual_clock::active()) return;
  home_.notify_when_busy(sched::busy_listener::hibernation, &event_count_);
  thread_ = std::thread{[this] { work(); }};
  if (after_ != no_hibernation) pressure_.start([this] { relieve(); });
}

void hibernator::stop() noexcept {
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  event_count_.notify();
  pressure_.stop();
  if (thread_.joinable()) thread_.join();
}

// Two looks, for the same reason as ever: what is in the midst of a short wait is better left where it is.
void hibernator::relieve() {
  constexpr auto short_wait = std::chrono::milliseconds{100};
  scan_in_background();
  {
    std::unique_lock lock{mutex_};
    if (changed_.wait_for(lock, short_wait, [this] { return stopping_; })) return;
  }
  scan_in_background();
  // relaxed: a number
  relieved_.fetch_add(1, std::memory_order_relaxed);
}

// Without the memory to look, there is something that waits for the next look.
stack::put_away_counts hibernator::scan_in_background() noexcept try {
  return scan(stack::patience::second_scan);
} catch (const std::bad_alloc&) {
  return {.waiting = 1};
}

std::size_t hibernator::put_away_all() { return scan(stack::patience::none).put_away; }

// The thread is not among those that run after the seats: while it holds a task, nobody resumes that, and it must not
// be kept waiting itself.
void hibernator::work() {
  base::become_own_thread("weft-hibernate");
  while (!sleep_for_period()) {
    const auto before = progress();
    const auto found = scan_in_background();
    // relaxed: a number
    scans_.fetch_add(1, std::memory_order_relaxed);
    if (found.waiting != 0) continue;
    event_count_.prepare_wait();
    if (nothing_ran_since(before)) {
      // relaxed: for statistics
      asleep_.store(true, std::memory_order_relaxed);
      event_count_.wait();
      asleep_.store(false, std::memory_order_relaxed);  // relaxed: as above
    } else {
      event_count_.cancel_wait();
    }
  }
}

bool hibernator::sleep_for_period() {
  std::unique_lock lock{mutex_};
  if (after_ <= duration::zero()) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
    return stopping_;
  }
  const auto period = after_ == no_hibernation ? runtime_options{}.hibernate_after.value() : after_;
  return changed_.wait_until(lock, real_deadline(deadline_after(period)), [this] { return stopping_; });
}

std::uint64_t hibernator::progress() const noexcept { return home_.statistics().resumed + stack::brought_back(); }

bool hibernator::nothing_ran_since(std::uint64_t before) noexcept {
  std::lock_guard guard{mutex_};
  return !stopping_ && home_.all_idle() && progress() == before;
}

stack::put_away_counts hibernator::scan(stack::patience how) {
  std::lock_guard guard{scan_mutex_};
  parked_virtual_threads tasks;
  stack::put_away_counts sum;
  if (statistics().obstacle.empty() && !stack::faults_reach_us()) give_up();
  const bool may_put_away = statistics().obstacle.empty() && (after_ != no_hibernation || how == stack::patience::none);
  for (auto* pool : home_.all_stacks()) {
    pool->free_images();
    if (how == stack::patience::second_scan) {
      pool->trim_idle();
      if (pool->has_more_than_always_kept()) ++sum.waiting;
    }
    if (!may_put_away) continue;
    const auto found = pool->put_away(tasks, how);
    sum.put_away += found.put_away;
    sum.waiting += found.waiting;
  }
  if (how == stack::patience::second_scan && base::give_back_idle_blocks(base::idleness::since_last_call))
    ++sum.waiting;
  // relaxed: a number
  put_away_.fetch_add(sum.put_away, std::memory_order_relaxed);
  return sum;
}

void hibernator::give_up() {
  // relaxed: whoever sees it late looks once more in vain
  lost_faults_.store(true, std::memory_order_relaxed);
  for (auto* pool : home_.all_stacks()) pool->bring_all_back();
}

hibernation_statistics hibernator::statistics() const noexcept {
  hibernation_statistics now{.obstacle = stack::hibernation_obstacle()};
  // relaxed, all: a flag that stays, and numbers
  if (now.obstacle.empty() && lost_faults_.load(std::memory_order_relaxed)) {
    now.obstacle = "the program has installed a handler for SIGSEGV of its own";
  }
  now.looks = scans_.load(std::memory_order_relaxed);
  now.put_away = put_away_.load(std::memory_order_relaxed);
  now.brought_back = stack::brought_back();
  now.relieved = relieved_.load(std::memory_order_relaxed);  // relaxed: a number
  now.watches_memory_pressure = pressure_.is_watching();
  now.asleep = asleep_.load(std::memory_order_relaxed);
  return now;
}

}  // namespace weft::detail
