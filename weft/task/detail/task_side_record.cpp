#include <ctime>
#include <mutex>
#include <new>
#include <utility>

#include <weft/base/detail/block_cache.hpp>
#include <weft/task/detail/host.hpp>
#include <weft/task/stop_token.hpp>
#include <weft/task/task_local.hpp>
#include "weft/base/detail/thread_index.hpp"

#include "weft/task/detail/held_locks.hpp"
#include "weft/task/detail/task_registry.hpp"

namespace weft {
namespace detail {
namespace {

/// now(), to some milliseconds, where that is cheaper.
[[nodiscard]] time_point coarse_now() noexcept {
#if defined(CLOCK_MONOTONIC_COARSE)
  if (!virtual_clock::active()) {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return time_point{std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec}};
  }
#endif
  return now();
}

/// weft_lock_check, where that is part of the program.
constinit std::atomic<held_lock_function> lock_check{nullptr};

}  // namespace

void local_value::release(local_value* value) noexcept {
  // release: this holder is done with the value; acquire, for the last: so is everybody else
  while (value && value->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete std::exchange(value, value->outer_);
  }
}

const local_value* find_local(const void* key) noexcept {
  // relaxed: a task that has a value, or inherited one, comes after it was set
  if (!side_records_in_use.load(std::memory_order_relaxed)) return nullptr;
  const auto* record = current_task().side_record();
  const auto* value = record ? record->locals : nullptr;
  while (value && value->key() != key) value = value->outer();
  return value;
}

std::stop_token task_side_record::stop_token() {
  std::stop_source made;
  std::lock_guard guard{lock_};
  if (!stop_) stop_.emplace(std::move(made));
  return stop_->get_token();
}

std::optional<std::stop_source> task_side_record::stop_source() {
  std::lock_guard guard{lock_};
  return stop_;
}

void task_side_record::wait_begins(const void* op, describe_function how) noexcept {
  operation_ = op;
  describe_ = how;
  since_ = coarse_now();
  // relaxed: see wait_is_over(). Odd; a wait that begins anew was over.
  waits_.store((waits_.load(std::memory_order_relaxed) + 1) | 1, std::memory_order_relaxed);
}

wait_description task_side_record::describe() const {
  wait_description found;
  // relaxed: published by the hold
  if (waits_.load(std::memory_order_relaxed) % 2 == 1) describe_(operation_, found);
  return found;
}

task_side_record& side_record_of(task_base& task) {
  if (auto* had = task.side_record()) return *had;
  // relaxed: see inherit()
  side_records_in_use.store(true, std::memory_order_relaxed);
  auto* made = new (base::allocate_block(sizeof(task_side_record))) task_side_record{task};
  task.set_side_record(*made);
  return *made;
}

void inherit_side_record(task_base& made) { inherit_side_record(made, current_task()); }

void inherit_side_record(task_base& made, const task_base& parent) {
  auto* mine = parent.side_record();
  if (mine && mine->locals) {
    mine->locals->share();
    side_record_of(made).locals = mine->locals;
  }
  auto* home = made.home_host();
  if (home && home->tracks_tasks()) task_registry::global().add(side_record_of(made));
}

void drop_side_record(task_side_record& record) noexcept {
  task_registry::global().remove(record);
  record.~task_side_record();
  base::release_block(&record, sizeof(task_side_record));
}

void begin_tracking() noexcept {
  lock_check.store(find_lock_check(), std::memory_order_relaxed);  // relaxed: the same each time
  side_records_in_use.store(true, std::memory_order_relaxed);      // relaxed: tasks that are tracked are made after it
  tracking_runtimes.fetch_add(1, std::memory_order_relaxed);       // relaxed: as above
}

void end_tracking() noexcept {
  // relaxed: who sees it late notes one wait more
  tracking_runtimes.fetch_sub(1, std::memory_order_relaxed);
}

void note_wait(task_base& self, const void* op, describe_function describe) noexcept {
  // relaxed: as in begin_tracking()
  if (auto* held_lock = lock_check.load(std::memory_order_relaxed); held_lock && self.home()) [[unlikely]] {
    if (const auto* lock = held_lock()) self.home_host()->report_held_lock(self, lock);
  }
  auto* record = self.side_record();
  if (self.kind() == task_kind::os_thread) {
    if (!record) record = &side_record_of(self);
    if (record->number() == 0) task_registry::global().add(*record);
  } else if (!record) {
    return;  // of a runtime that does not track
  }
  record->wait_begins(op, describe);
}

void note_wait_over(task_base& self) noexcept {
  if (auto* record = self.side_record(); record && record->wait_number() % 2 == 1) record->wait_is_over();
}

task_registry& task_registry::global() noexcept {
  // Never destroyed: OS threads end after everything else.
  alignas(task_registry) static std::byte place[sizeof(task_registry)];
  static auto* made = new (place) task_registry;
  return *made;
}

void task_registry::add(task_side_record& entry) noexcept {
  // relaxed: a number
  entry.number_ = numbers_.fetch_add(1, std::memory_order_relaxed);
  entry.shard_ = static_cast<std::uint32_t>(base::thread_index() % shard_count);
  entry.is_registered_ = true;
  auto& mine = shards_[entry.shard_];
  std::lock_guard guard{mine.lock};
  mine.entries.push_back(entry);
}

void task_registry::remove(task_side_record& entry) noexcept {
  if (!entry.is_registered_) return;
  auto& its = shards_[entry.shard_];
  std::lock_guard guard{its.lock};
  base::intrusive_list<task_side_record>::remove(entry);
}

void task_base::cancel() noexcept {
  request_cancel();
  if (auto source = stop_source()) source->request_stop();
}

std::optional<std::stop_source> task_base::stop_source() noexcept {
  // seq_cst: the request before the look, and in this_task_stop_token() the store before the look at the request, so
  // that one of the two sees the other
  std::atomic_thread_fence(std::memory_order_seq_cst);
  auto* found = side_record();
  return found ? found->stop_source() : std::nullopt;
}

}  // namespace detail

std::stop_token this_task_stop_token() {
  auto& self = detail::current_task();
  auto& record = detail::side_record_of(self);
  auto token = record.stop_token();
  std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: see task_base::stop_source()
  if (self.cancel_was_requested()) {
    if (auto source = record.stop_source()) source->request_stop();
  }
  return token;
}

}  // namespace weft
