#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include <weft/base/clock.hpp>
#include <weft/base/containers.hpp>
#include <weft/inspect/task_snapshot.hpp>

namespace weft {

/// Tasks that wait and that nothing can wake.
struct deadlock {
  /// Of a cycle: each waits for the next, the last for the first. Of a runtime asleep: all of its tasks.
  plain::vector<task_snapshot> tasks;
  /// Not a cycle: every task waits for another, and no timer, input, computation or other thread can wake any.
  bool everything_sleeps = false;
};

/// The deadlock in several lines: what it is, then each task with what it waits for and where.
[[nodiscard]] std::string describe(const deadlock& found);

/// Whether a runtime keeps track of its tasks.
enum class tracking : std::uint8_t {
  automatic,  ///< where weft was built for debugging
  on,
  off,
};

/// What becomes of tasks that are in a deadlock, after the report.
enum class deadlock_action : std::uint8_t {
  report,  ///< they wait on
  /// Of a circle, the wait of one task fails, the youngest that waits for something else than a task's end if there is
  /// one, and the others go on when it lets go of what it has. Where everything sleeps, all waits fail but those for a
  /// task's end. An operation fails with errc::deadlock; a call that cannot return an error, such as mutex::lock() and
  /// join_handle::join(), throws deadlock_error. Not ended are the waits of destructors and shield(), and for what uses
  /// the waiter's memory: files, blocking() and compute().
  fail_waits,
};

/// Whether tasks that are parked when run() ends are reported.
enum class leak_report : bool { no, yes };

/// How a runtime keeps track of its tasks, for dumps and to find deadlocks while they happen.
///
/// A thread of the runtime looks, while tasks run, which have been in one wait since its last look, and who has to do
/// something before each of those can go on, as far as it is known: the holder of a mutex, a task that is joined, a
/// scope's children. Tasks that wait for one another in a circle are reported once. When nothing runs any more it looks
/// whether anything can ever wake a task: a timer, I/O, a computation, an OS thread that is not weft's. If not, all
/// that wait are reported, once. Then it sleeps: no tick.
///
/// What it costs stands in docs/architecture.md. Off, waits pay a look at one variable when they park.
struct tracking_options {
  tracking tasks = tracking::automatic;
  /// How often it looks, at the most: it takes care to use no more than 1 % of a core. A cycle is found in the second
  /// look after it closed.
  time_span look_every = std::chrono::milliseconds{100};
  deadlock_action then = deadlock_action::report;
  /// Told of each deadlock, on the runtime's own thread. Must not wait for a task. Empty: describe() goes to the
  /// runtime's reports.
  std::function<void(const deadlock&)> on_deadlock = {};
  /// Whether tasks that still wait when the main task has returned, or has thrown, are reported, each with its spawn
  /// site and what it waits for. Tracks the tasks, whatever `tasks` says: the list is complete.
  leak_report leaks = leak_report::no;
};

}  // namespace weft
