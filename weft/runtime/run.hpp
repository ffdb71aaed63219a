#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weft/base/clock.hpp>
#include <weft/base/report.hpp>
#include <weft/inspect/deadlock.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sched/watchdog.hpp>

namespace weft {

/// What a seat waits in when it has nothing to run.
enum class reactor_kind : std::uint8_t {
  /// What WEFT_REACTOR says (io_uring or epoll), otherwise epoll. Nothing is tried out or measured: epoll works on
  /// every kernel; many containers refuse io_uring, which is used where the program or its environment asks for it.
  automatic,
  io_uring,
  epoll,
};

struct run_options {
  /// How many OS threads run tasks, 1,024 at the most; 0: as many as the process may use cores.
  std::size_t seats = 0;
  /// The size of a virtual thread's stack; 0: the default, 256 KiB. Rounded up to what is possible at all.
  std::size_t stack_bytes = 0;
  /// Whether every task stays on the OS thread that begins it, for libraries that keep state there: see spawn_options.
  bool stays_on_thread = false;
  reactor_kind reactor = reactor_kind::automatic;
  /// How many OS threads compute, 4,096 at the most; 0: available_parallelism().
  std::size_t compute_carriers = 0;
  /// How many computations may wait before try_compute() fails at once: see runtime_options.
  std::size_t compute_queue = runtime_options{}.compute_queue;
  /// The most OS threads that blocking() starts, 4,096 at the most; further calls queue. 0: 256.
  std::size_t blocking_threads = 0;
  /// What happens to a task that does not park: after which slice, whether at all, and who is told.
  sched::watchdog_options watchdog = {};
  /// How long a virtual thread stays parked before its stack is put away: see runtime_options. `no_hibernation`: never.
  time_span hibernate_after = runtime_options{}.hibernate_after;
  /// How long run() waits at its end for the detached tasks that it cancelled before it reports those that are left,
  /// once, and goes on waiting. 0: reports at once; duration::max(): never.
  time_span shutdown_report_after = std::chrono::seconds{5};
  /// Whether, and how, the tasks are kept track of: for dumps, deadlocks while they happen, tasks that are left
  /// waiting.
  tracking_options tracking = {};
  /// What is reported without being asked for: long stalls, cancels that nobody follows, a runtime that sleeps for
  /// ever.
  warning_options warnings = {};
  /// Told, in one line, what did not go as asked for: a kernel that refuses io_uring, a coroutine that blocks its seat,
  /// a task that does not end. Empty: standard error.
  report_function report = {};
};

namespace detail {
int run(const run_options& options, std::function<int()> main, const std::source_location& site);
}

/// Starts the runtime, runs `main` as the first virtual thread, waits for it, stops the runtime, and returns what
/// `main` returned: the exit code of the program. An exception of `main` leaves run().
/// Tasks that `main` detached are cancelled when it has returned, and waited for. Afterwards nothing of the runtime is
/// left, and run() may be called again. Runtimes of several OS threads live side by side, each with seats of its own.
/// Throws std::invalid_argument for an option that is out of its range, std::system_error when the system gives no
///   threads or descriptors.
/// Thread: a plain OS thread, usually main's. Not from inside a task.
template <std::invocable F>
int run(run_options options, F main, std::source_location site = std::source_location::current()) {
  auto call = [&main] {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      main();
      return 0;
    } else {
      return static_cast<int>(main());
    }
  };
  return detail::run(options, call, site);
}

template <std::invocable F>
int run(F main, std::source_location site = std::source_location::current()) {
  return run(run_options{}, std::move(main), site);
}

}  // namespace weft
