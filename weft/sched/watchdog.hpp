#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>

#include <weft/base/clock.hpp>
#include <weft/base/containers.hpp>
#include <weft/base/report.hpp>

namespace weft::sched {

/// Why a task kept its seat for longer than a slice.
enum class stall_reason : std::uint8_t {
  computing,      ///< it used the core: compute() is for that
  system_call,    ///< it blocked in the kernel: blocking() is for that
  lock,           ///< it waited for a futex: an OS lock, such as std::mutex, where weft's would park
  page_fault,     ///< it waited for memory: a mapped file, swap
  not_scheduled,  ///< it was ready and the OS ran others: too few cores, or a quota
  unknown,        ///< the system does not say
};
inline constexpr std::size_t stall_reasons = 6;

/// "computing", "system call", …
[[nodiscard]] std::string_view name(stall_reason reason) noexcept;

/// A task that kept its seat for longer than a slice.
struct stall {
  std::string task_name;  ///< empty when it has none
  std::source_location spawned_at;
  stall_reason reason = stall_reason::unknown;
  std::string system_call;            ///< in which it was, when it was in one: "read", "futex", …
  const void* lock = nullptr;         ///< the futex that it waited for, when it waited for one
  std::chrono::nanoseconds held{};    ///< for how long, when it was noticed
  std::chrono::nanoseconds on_cpu{};  ///< how much of that it ran
  bool handed_over = false;  ///< the seat went on without it. False: no thread, or no ring for it, could be had
  /// Where it was, as addresses in the code, innermost first: see describe_trace(). One only in a system call that does
  /// not bear interruption; none when it had gone on already.
  plain::vector<const void*> trace;
};

/// The event as a sentence for a log.
[[nodiscard]] std::string describe(const stall& event);

/// Where the task was, a line each for the function and those that called it, by the symbol tables of the program and
/// its libraries; where those were stripped the file and the offset in it, for addr2line. Takes its time.
[[nodiscard]] std::string describe_trace(std::span<const void* const> trace);
[[nodiscard]] std::string describe_trace(const stall& event);

/// What the tasks of one spawn site did to their seats.
struct stall_site {
  std::source_location spawned_at;
  std::uint64_t stalls = 0;
  std::array<std::uint64_t, stall_reasons> by_reason{};  ///< indexed by stall_reason
  std::chrono::nanoseconds longest{};                    ///< when noticed: it may have taken longer
};

/// The watchdog: one thread that looks at the seats while any is busy, and sleeps while all are idle. It takes a seat
/// whose task has run for longer than a slice away from that OS thread and gives it to another: the run queue, the
/// timers and what the reactor has to say go on. The task goes on without a seat, at a lower priority of the OS, and
/// tasks that were found to do that run without a seat from the start until they have shown three times that they do
/// not any more.
struct watchdog_options {
  /// Off: a task that does not park stops its seat for as long, unless it is a coroutine that waits in a blocking form.
  bool enabled = true;
  /// How long a task may run before it loses its seat. Noticed at most half a slice later. At least 1 ms.
  time_span slice = std::chrono::milliseconds{10};
  /// Told of stalls: of each spawn site at most one a second, on the watchdog's thread. Must not wait for a task.
  /// Empty: they are counted only.
  std::function<void(const stall&)> on_stall = {};
  /// Whether what on_stall is told carries a stack trace. For that the task's OS thread is interrupted by a signal
  /// (SIGURG; a handler of the program's goes on to get its own), unless it is in one of the few system calls that
  /// would then fail with EINTR instead of going on: a poll with a timeout, a sleep that is not counted down in place.
  bool traces = true;
  /// Told, in one line, of each run that has gone on for longer than `warn_after`, once a run and at most once a
  /// second, on the watchdog's thread. A runtime sets it: see warning_options. Empty: nobody.
  report_function warn = {};
  time_span warn_after = duration::max();
};

}  // namespace weft::sched
