#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <stop_token>

#include <weft/base/clock.hpp>
#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/task/detail/wait_description.hpp>

namespace weft::detail {

class task_base;

/// A value of a task_local in force. Shared by the task that bound it and those that inherited it.
class local_value {
 public:
  local_value(const void* key, local_value* outer) noexcept : key_{key}, outer_{outer} {}
  local_value(const local_value&) = delete;
  local_value& operator=(const local_value&) = delete;

  [[nodiscard]] const void* key() const noexcept { return key_; }
  [[nodiscard]] local_value* outer() const noexcept { return outer_; }

  void share() noexcept {
    // relaxed: who shares it has it
    references_.fetch_add(1, std::memory_order_relaxed);
  }
  /// Gives up a reference to `value`, which may be null.
  static void release(local_value* value) noexcept;

 protected:
  virtual ~local_value() = default;

 private:
  const void* key_;
  local_value* outer_;  // has a reference
  std::atomic<std::uint32_t> references_{1};
};

/// What only some tasks have: task_local values, a std::stop_source, and, where tasks are tracked, what they wait
/// for. Lives outside of the task, so that it can be looked at without touching a stack that was put away.
/// Thread: the task itself, but for what says otherwise.
class task_side_record : public base::list_hook {
 public:
  explicit task_side_record(task_base& task) noexcept : task_{task} {}
  ~task_side_record() { local_value::release(locals); }

  [[nodiscard]] task_base& task() const noexcept { return task_; }

  /// The innermost value in force; has a reference.
  local_value* locals = nullptr;

  /// A token of the task's own stop source, which is made when there is none yet.
  [[nodiscard]] std::stop_token stop_token();
  /// Any thread that keeps the task alive: the stop source, if there is one.
  [[nodiscard]] std::optional<std::stop_source> stop_source();

  /// The task begins, or begins anew, a wait that will park. `op` lives until the wait is over.
  void wait_begins(const void* op, describe_function how) noexcept;
  void wait_is_over() noexcept {
    // relaxed: whoever looks at the operation holds the task in its wait, and sees this by that
    waits_.store(waits_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  /// Any thread: odd while the task waits, another number each time. May be old at once.
  [[nodiscard]] std::uint64_t wait_number() const noexcept {
    // relaxed: a hint, see wait_is_over()
    return waits_.load(std::memory_order_relaxed);
  }

  /// Any thread: tasks are numbered as they are registered.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }

  /// Whoever holds the task in a wait that parked.
  [[nodiscard]] wait_description describe() const;
  [[nodiscard]] time_point waits_since() const noexcept { return since_; }

 private:
  friend class task_registry;
  friend class deadlock_detector;

  task_base& task_;
  base::spin_lock lock_;  // guards stop_
  std::optional<std::stop_source> stop_;

  std::atomic<std::uint64_t> waits_{0};
  const void* operation_ = nullptr;
  describe_function describe_ = nullptr;
  time_point since_{};

  // The registry's.
  std::uint32_t shard_ = 0;
  bool is_registered_ = false;
  std::uint64_t number_ = 0;
  // The detector's: what it saw at its last look.
  std::uint64_t seen_wait_ = 0;
  std::uint64_t reported_wait_ = 0;
  std::uint64_t harmless_wait_ = 0;  // in no cycle while it lasts
};

/// How many runtimes track their tasks: see tracking_options.
inline constinit std::atomic<std::uint32_t> tracking_runtimes{0};
/// Whether any task has a side record, or had.
inline constinit std::atomic<bool> side_records_in_use{false};

[[nodiscard]] inline bool waits_are_tracked() noexcept {
  // relaxed: a task that is tracked was made after it was set
  return tracking_runtimes.load(std::memory_order_relaxed) != 0;
}

/// One more runtime tracks its tasks, from before its first task until after its last.
void begin_tracking() noexcept;
void end_tracking() noexcept;

/// Notes what a task that is tracked waits for. By the task.
void note_wait(task_base& self, const void* op, describe_function describe) noexcept;
void note_wait_over(task_base& self) noexcept;

/// The task's side record, made when it has none. By the task, or before it is scheduled.
/// Throws std::bad_alloc.
[[nodiscard]] task_side_record& side_record_of(task_base& task);

/// Gives a task that was just made what it inherits from the calling one, and tracks it if its runtime does.
void inherit_side_record(task_base& made);
/// The same from `parent`, which waits meanwhile.
void inherit_side_record(task_base& made, const task_base& parent);
inline void inherit(task_base& made) {
  // relaxed: whoever has something to pass on has set it
  if (side_records_in_use.load(std::memory_order_relaxed)) [[unlikely]]
    inherit_side_record(made);
}

/// The end of a task, or of an OS thread.
void drop_side_record(task_side_record& record) noexcept;

}  // namespace weft::detail
