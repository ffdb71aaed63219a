#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/task/detail/task_base.hpp>
#include <weft/task/detail/task_side_record.hpp>

namespace weft::detail {

/// All tasks that are tracked, of every runtime, and the OS threads that waited while any was.
/// Thread: any.
class task_registry {
 public:
  [[nodiscard]] static task_registry& global() noexcept;

  void add(task_side_record& entry) noexcept;
  void remove(task_side_record& entry) noexcept;

  /// Calls `visit(entry)` under a lock that keeps the task from ending. Then, when that answers true and the task could
  /// be held in the wait that it is parked in, `examine(entry)`, without the lock: nobody resumes the task meanwhile.
  /// Tasks that come or end meanwhile may be missed.
  template <class Visit, class Examine>
  void for_each(Visit visit, Examine examine);

 private:
  static constexpr std::size_t shard_count = 64;
  struct alignas(64) shard {
    base::spin_lock lock;  // guards the list
    base::intrusive_list<task_side_record> entries;
  };

  std::array<shard, shard_count> shards_;
  std::atomic<std::uint64_t> numbers_{1};
};

template <class Visit, class Examine>
void task_registry::for_each(Visit visit, Examine examine) {
  for (auto& each : shards_) {
    std::unique_lock lock{each.lock};
    for (auto* entry = each.entries.front(); entry;) {
      auto& task = entry->task();
      if (auto wait = visit(*entry) ? task.parked_in() : 0; wait != 0 && task.hold(wait)) {
        // A task that is held cannot end: its entry keeps our place.
        lock.unlock();
        examine(*entry);
        lock.lock();
        entry = each.entries.next(*entry);
        task.let_go();  // it may end as soon as the lock is free
      } else {
        entry = each.entries.next(*entry);
      }
    }
  }
}

}  // namespace weft::detail
