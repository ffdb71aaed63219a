#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <source_location>
#include <stop_token>
#include <string_view>
#include <utility>

#include <weft/base/accounting.hpp>
#include <weft/base/clock.hpp>
#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/errno.hpp>
#include <weft/base/error.hpp>
#include <weft/sched/detail/runnable.hpp>
#include <weft/sched/detail/this_runnable.hpp>
#include <weft/task/detail/task_side_record.hpp>
#include <weft/task/detail/transfer_loop.hpp>

namespace weft {

namespace detail {

class host;

/// How many operations a task carries out without parking before it lets others run first. Without that, a task whose
/// peer is always faster, or whose channel is never empty, keeps its seat to itself. A turn of channel operations takes
/// 2 us, of receives from a socket some 100 us; what a yield costs is 1 % of the first and nothing of the second.
inline constexpr std::uint8_t operations_a_turn = 128;
/// Under a deadline a task looks at the clock now and then, so that the deadline ends a loop of operations that need no
/// wait: first before its second operation, then so often that the looks cost a few per cent at the most, and at least
/// once in `most_operations_between_checks`.
inline constexpr std::uint8_t operations_before_first_check = 2, most_operations_between_checks = 64;
/// As how many operations a spawn counts. A loop that spawns lets what it spawned run while it is in the caches, and
/// its stacks are used again, instead of making all tasks first.
inline constexpr std::uint8_t operations_a_spawn = 8;

enum class task_kind : std::uint8_t {
  virtual_thread,
  coroutine,
  os_thread,
  proxy,  ///< waits on behalf of another and never runs: see <weft/combine/detail/pinned_operation.hpp>
};

/// Told when a task ends: by the scope or the registry that keeps it.
class end_observer {
 public:
  /// On the carrier, after the task's last instruction; `error` is what it threw, or null.
  virtual void on_end(class task_base& task, const std::exception_ptr& error) noexcept = 0;

 protected:
  ~end_observer() = default;
};

/// What every task has, of either kind, and every OS thread that waits for one.
/// Thread: the task itself, but for what says otherwise.
class task_base : public sched::runnable, public base::list_hook {
 public:
  task_base(task_kind kind, sched::scheduler* home, std::source_location site, has_stack own = has_stack::no) noexcept
      : runnable{home, own}, site_{site}, kind_{kind} {}
  ~task_base() override {
    if (auto* mine = side_record()) [[unlikely]]
      drop_side_record(*mine);
  }

  /// Waits, as begun with begin_wait() and registered, until notified. Tasks with a stack and OS threads only.
  /// `deadline` is for OS threads; the others armed a timer.
  virtual void park(time_point deadline) noexcept = 0;

  /// Lets others run. Tasks with a stack and OS threads only.
  virtual void yield() noexcept = 0;

  [[nodiscard]] task_kind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::source_location& site() const noexcept { return site_; }
  [[nodiscard]] std::string_view name() const noexcept { return {name_, name_bytes_}; }
  [[nodiscard]] sched::carrier* stays_on() const noexcept final { return on_; }
  [[nodiscard]] identity who() const noexcept override { return {.name = name(), .spawned_at = site_}; }
  void was_blocked(sched::stall_reason why, std::chrono::nanoseconds time) noexcept final;
  /// Before it is scheduled. Keeps the first 65,535 bytes.
  void set_name(std::string_view name) noexcept {
    name_ = name.data();
    name_bytes_ = static_cast<std::uint16_t>(std::min<std::size_t>(name.size(), UINT16_MAX));
  }

  /// Where the task lives; null for an OS thread.
  [[nodiscard]] host* home_host() const noexcept;

  /// A cancel was requested and nothing shields the task.
  [[nodiscard]] bool must_stop() const noexcept { return shields == 0 && cancel_was_requested(); }
  /// Why a task fails that must stop, or whose wait was cancelled: errc::timed_out when its deadline has passed as
  /// well. So tasks under one deadline all see that it passed, though the first of them to see it cancels the others.
  [[nodiscard]] errc why_stopped() const noexcept {
    return deadline_ != no_deadline && deadline_ <= now() ? errc::timed_out : errc::cancelled;
  }

  /// Until when its waits last. Set by the task itself, or before it is scheduled.
  [[nodiscard]] time_point deadline() const noexcept { return deadline_; }
  void set_deadline(time_point until) noexcept {
    const bool was_without = deadline_ == no_deadline;
    deadline_ = until;
    // From one deadline to another the looks go on: a loop may enter a scope for each of its operations.
    if (was_without == (until == no_deadline)) return;
    check_every_ = was_without ? operations_before_first_check : operations_a_turn;
    checked_at_ = 0;
    share_out_turn();
  }
  /// For a wait that no deadline ends; returns what to put back after it.
  [[nodiscard]] time_point suspend_deadline() noexcept { return std::exchange(deadline_, no_deadline); }
  void resume_deadline(time_point until) noexcept { deadline_ = until; }

  /// One more operation begins. True when the task has to look up first: whether its turn is over, and then whether its
  /// deadline has passed.
  [[nodiscard]] bool must_check_budget() noexcept { return --operations_left_ == 0; }
  /// After that: the task has begun as many operations as it may without letting others run.
  [[nodiscard]] bool turn_is_over() const noexcept { return operations_left_ == 0 && operations_after_check_ == 0; }
  /// After that, and after others have run if the turn was over. Counts the operations up to the next look.
  [[nodiscard]] bool check_deadline() noexcept;
  /// All of the above, for tasks with a stack and OS threads. True when the deadline has passed.
  /// Parks.
  [[nodiscard]] bool check_budget() noexcept;

  /// Whether a task that has spawned another has to let others run.
  [[nodiscard]] bool must_give_way_after_spawn() noexcept {
    auto& counted = operations_after_check_ >= operations_a_spawn ? operations_after_check_ : operations_left_;
    if (&counted == &operations_left_ && counted <= operations_a_spawn) return true;
    counted = static_cast<std::uint8_t>(counted - operations_a_spawn);
    return false;
  }
  /// The scheduler resumed the task: others have run.
  void took_turn() noexcept {
    operations_left_ = check_every_;
    operations_after_check_ = static_cast<std::uint8_t>(operations_a_turn - check_every_);
    checked_at_ = 0;
  }
  /// Lets others run. Tasks with a stack; OS threads, which need not, only count anew.
  void give_way() noexcept;

  /// The loop that resumes the task's coroutines: valid while one of them runs.
  [[nodiscard]] transfer_loop& transfers() const noexcept { return *transfers_; }
  /// Returns the loop before.
  transfer_loop& set_transfers(transfer_loop& loop) noexcept { return *std::exchange(transfers_, &loop); }

  /// References: the running task has one, its handle another. Before the task is scheduled: it has a handle.
  void give_handle() noexcept {
    // relaxed: published by scheduling the task
    references_.store(2, std::memory_order_relaxed);
  }
  /// Any thread that has a reference.
  void release() noexcept {
    // acquire: the last holder comes after all others. It alone can change the count: no need to.
    if (references_.load(std::memory_order_acquire) == 1) return destroy();
    // release: this holder is done with the task; acquire, for the last: so is everybody else
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

  /// Waiters for the end. Any thread.
  [[nodiscard]] bool has_ended() const noexcept {
    // acquire: sees the result; pairs with announce_end()
    return ended_.load(std::memory_order_acquire);
  }
  [[nodiscard]] bool arm_end(sched::wait_node& node) noexcept;
  void disarm_end(sched::wait_node& node) noexcept;

  /// Its stack has to stay where it is while its present wait lasts: the kernel, which cannot touch a stack that was
  /// put away, may hold a buffer on it. Any thread may ask.
  void keep_stack(bool stays) noexcept {
    // relaxed: published by the park, for whoever looks at the parked task
    keeps_stack_.store(stays, std::memory_order_relaxed);
  }
  [[nodiscard]] bool keeps_stack() const noexcept {
    // relaxed: read after the task was seen parked
    return keeps_stack_.load(std::memory_order_relaxed);
  }

  /// What the task threw and nobody has taken, or null. Once it has ended; whoever joins it, or its observer.
  [[nodiscard]] virtual const std::exception_ptr& thrown() const noexcept = 0;

  /// What the present wait, or the last one that parked, is for. Any thread.
  [[nodiscard]] wait_kind waits_for() const noexcept {
    // relaxed: for reports
    return waits_for_.load(std::memory_order_relaxed);
  }
  void set_waits_for(wait_kind kind) noexcept {
    // relaxed: for reports
    waits_for_.store(kind, std::memory_order_relaxed);
  }

  /// What only some tasks have, or null. Any thread that keeps the task alive.
  [[nodiscard]] task_side_record* side_record() const noexcept {
    // acquire: sees them made; pairs with set_side_record()
    return side_record_.load(std::memory_order_acquire);
  }
  void set_side_record(task_side_record& made) noexcept {
    // release: publishes them to who cancels the task
    side_record_.store(&made, std::memory_order_release);
  }

  void forget_side_record() noexcept {
    // relaxed: an OS thread at its end
    side_record_.store(nullptr, std::memory_order_relaxed);
  }

  /// Any thread that keeps the task alive: request_cancel(), and the stop of this_task_stop_token(), whose callbacks
  /// run here.
  void cancel() noexcept;
  /// Any thread that keeps the task alive, after request_cancel(): whose stop to request then, without a lock.
  [[nodiscard]] std::optional<std::stop_source> stop_source() noexcept;

  accounting* account = nullptr;

 private:
  time_point deadline_ = no_deadline;  // beside what each wait looks at

 public:
  /// Whom to tell of the end. False when the task has ended already. Any thread.
  [[nodiscard]] bool observe_end(end_observer& observer) noexcept;
  /// The same before the task is scheduled.
  void set_observer(end_observer& observer) noexcept { observer_ = &observer; }
  /// The task itself, if it was spawned with an observer.
  [[nodiscard]] bool is_observed_by(const end_observer& observer) const noexcept { return observer_ == &observer; }

 protected:
  /// The scheduler resumed the task on this carrier.
  void set_carrier(sched::carrier& by) noexcept { on_ = &by; }
  /// The running task, of a scheduler: its carrier.
  [[nodiscard]] sched::carrier& carrier() const noexcept { return *on_; }

  /// The task's last act but one, on the carrier: tells everybody who waits. Then it releases its own reference.
  void announce_end() noexcept;

  /// The running task: whether it has no handle, and nobody can ask for its result.
  [[nodiscard]] bool is_only_reference() const noexcept {
    // acquire: comes after what its handle did
    return references_.load(std::memory_order_acquire) == 1;
  }

 private:
  virtual void destroy() noexcept = 0;

  /// Of the operations left in this turn, how many come before the next look.
  void share_out_turn() noexcept {
    const auto all = static_cast<std::uint8_t>(operations_left_ + operations_after_check_);
    operations_left_ = std::min(all, check_every_);
    operations_after_check_ = static_cast<std::uint8_t>(all - operations_left_);
  }
  void pace_checks(time_point present) noexcept;

  // In an order without gaps: there may be millions.
  std::atomic<std::uint32_t> references_{1};
  base::spin_lock end_lock_;  // guards end_waiters_ and observer_, and ended_ against them
  std::atomic<bool> ended_{false};
  std::atomic<bool> keeps_stack_{false};
  // Until the task looks up, and how many more then remain of its turn.
  std::uint8_t operations_left_ = operations_a_turn, operations_after_check_ = 0;
  std::uint8_t check_every_ = operations_a_turn;
  sched::carrier* on_ = nullptr;  // where it runs; valid until it leaves
  transfer_loop* transfers_ = &transfer_loop::none();
  end_observer* observer_ = nullptr;
  base::intrusive_list<sched::wait_node> end_waiters_;
  std::source_location site_;
  const char* name_ = nullptr;
  std::uint16_t name_bytes_ = 0;
  task_kind kind_;
  std::atomic<wait_kind> waits_for_{};

 protected:
  /// Where a coroutine is that waits for another library's awaitable; see coroutine_task.cpp.
  enum class outside : std::uint8_t { no, has_left, is_called_back };
  std::atomic<outside> outside_{outside::no};

 private:
  std::atomic<task_side_record*> side_record_{nullptr};
  std::uint32_t checked_at_ = 0;  // in this turn, in units of 256 ns; 0: not yet

 public:
  std::uint32_t shields = 0;
};

/// Between two batches of a long call that does not wait: a virtual thread lets others run.
void let_others_run() noexcept;

/// The calling task has spawned another: now and then a virtual thread lets others run first.
/// Parks.
void count_spawn() noexcept;

/// Called before an OS thread waits in place: counts it where that is a coroutine's carrier. See
/// runtime::blocking_waits_in_coroutines().
void about_to_block(wait_kind kind) noexcept;

/// While it lives, an OS thread waits in place. Where that is a compute carrier, on whose own stack fork-join code
/// runs, another one computes meanwhile.
class blocked_in_place {
 public:
  /// What the compute part does about it. `begin()` returns what `end()` is given; null: the thread is none of its own.
  struct observer {
    void* (*begin)() noexcept;
    void (*end)(void* carrier) noexcept;
  };
  /// Before there is such a carrier.
  static void set_observer(const observer& told) noexcept {
    // relaxed: a carrier, on which alone it matters, is started after it
    observer_.store(&told, std::memory_order_relaxed);
  }

  explicit blocked_in_place(wait_kind kind) noexcept;
  ~blocked_in_place();
  blocked_in_place(const blocked_in_place&) = delete;
  blocked_in_place& operator=(const blocked_in_place&) = delete;

 private:
  static inline constinit std::atomic<const observer*> observer_{nullptr};
  void* carrier_ = nullptr;
};

/// What the calling OS thread waits as when it runs no task.
[[nodiscard]] task_base& this_os_thread() noexcept;

/// The task that runs on the calling OS thread, of either kind, or else the OS thread itself.
[[nodiscard]] inline task_base& current_task() noexcept {
  auto* running = sched::this_runnable();
  if (!running) [[unlikely]]
    return this_os_thread();
  return static_cast<task_base&>(*running);
}

/// What a coroutine that waits in a blocking form waits as: the calling OS thread, under the coroutine's deadline.
[[nodiscard]] task_base& os_thread_under(const task_base& coroutine) noexcept;

/// Like current_task(), but for waits that keep their stack: inside a coroutine it is the OS thread.
[[nodiscard]] inline task_base& current_stack() noexcept {
  auto& running = current_task();
  if (running.kind() == task_kind::coroutine) [[unlikely]]
    return os_thread_under(running);
  return running;
}

}  // namespace detail

}  // namespace weft
