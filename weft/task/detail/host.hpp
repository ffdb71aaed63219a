#pragma once

#include <cstddef>
#include <source_location>
#include <string_view>

#include <weft/base/clock.hpp>
#include <weft/sched/detail/scheduler.hpp>
#include <weft/stack/detail/stack_pool.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft::detail {

class compute_pool;
class blocking_pool;

/// What a task asks of the place that it lives in: the port through which the parts below the runtime reach it. What a
/// spawn needs is read from members; the calls behind it are virtual, since they are rare.
/// Thread: any, but for construction and destruction.
class host : public sched::scheduler {
 public:
  /// The host of the calling task; null on an OS thread that is none of its carriers.
  [[nodiscard]] static host* current() noexcept { return static_cast<host*>(scheduler::current()); }

  /// The stacks of `stack_bytes` each; 0: the default size.
  [[nodiscard]] stack::stack_pool& stacks(std::size_t stack_bytes = 0) {
    return stack_bytes == 0 ? *default_stacks_ : other_stacks(stack_bytes);
  }

  /// See spawn_options::stays_on_thread.
  [[nodiscard]] bool keeps_tasks_on_their_threads() const noexcept { return keeps_tasks_on_their_threads_; }
  /// Whether its tasks are tracked: see tracking_options.
  [[nodiscard]] bool tracks_tasks() const noexcept { return tracks_tasks_; }
  /// After how long a wait for cancelled tasks is reported; duration::max(): never.
  [[nodiscard]] duration cancelled_over() const noexcept { return cancelled_over_; }

  /// OS threads for calls that block in the kernel.
  [[nodiscard]] detail::blocking_pool& blocking_pool() noexcept { return *blocking_pool_; }
  /// OS threads that compute, runtime_options::compute_carriers at the most, at a lower priority than the seats.
  [[nodiscard]] detail::compute_pool& compute_pool() noexcept { return *compute_pool_; }

  /// Keeps a task that nobody joins until it ends. An exception that leaves it ends the program, by std::terminate(),
  /// after a report that names the task: nobody else would ever learn of it.
  virtual void keep_until_end(task_base& task) noexcept = 0;
  /// Reports that `waiter`, a scope or a handle, has waited for `count` cancelled tasks, one of them described by
  /// `example`, for longer than cancelled_over().
  virtual void warn_of_cancelled(std::string_view waiter, std::size_t count, std::string_view example) noexcept = 0;
  /// Counts a wait of a coroutine in a blocking form. By the coroutine, before it waits.
  virtual void count_blocking_wait(const task_base& coroutine, wait_kind kind) noexcept = 0;
  /// Reports a task that parks and holds a lock of the standard library's, once a spawn site. By the task.
  virtual void report_held_lock(const task_base& task, const void* lock) noexcept = 0;
  /// Notes how much of its stack a virtual thread has used.
  virtual void note_stack_use(const std::source_location& site, std::size_t bytes) noexcept = 0;

 protected:
  /// What spawns and waits read; none of it changes.
  struct traits {
    stack::stack_pool& default_stacks;
    detail::blocking_pool& blocking;
    detail::compute_pool& compute;
    bool tracks_tasks;
    bool keeps_tasks_on_their_threads;
    duration cancelled_over;
  };
  host(sched::scheduler_options options, const traits& is)
      : scheduler{std::move(options)},
        default_stacks_{&is.default_stacks},
        blocking_pool_{&is.blocking},
        compute_pool_{&is.compute},
        cancelled_over_{is.cancelled_over},
        tracks_tasks_{is.tracks_tasks},
        keeps_tasks_on_their_threads_{is.keeps_tasks_on_their_threads} {}
  ~host() = default;

 private:
  [[nodiscard]] virtual stack::stack_pool& other_stacks(std::size_t stack_bytes) = 0;

  stack::stack_pool* const default_stacks_;
  detail::blocking_pool* const blocking_pool_;
  detail::compute_pool* const compute_pool_;
  const duration cancelled_over_;
  const bool tracks_tasks_, keeps_tasks_on_their_threads_;
};

/// The host of the calling task. Ends the program with a message where there is none.
[[nodiscard]] host& host_to_spawn_in();

}  // namespace weft::detail
