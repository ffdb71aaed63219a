#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/sched/watch.hpp>
#include <weft/task/runtime.hpp>

namespace weft {

/// What a seat waits in when it has nothing to run.
enum class reactor_kind : std::uint8_t {
  automatic,  ///< what WEFT_REACTOR says (io_uring or epoll), otherwise what is fastest here
  io_uring,
  epoll,
};

struct run_options {
  /// How many OS threads run tasks; 0: as many as the process may use cores.
  std::size_t seats = 0;
  /// The size of a virtual thread's stack; 0: the default.
  std::size_t stack_bytes = 0;
  reactor_kind reactor = reactor_kind::automatic;
  /// What happens to a task that does not park.
  sched::watch_options watch = {};
  /// How long a virtual thread stays parked before its stack is put away: see runtime_options. `no_hibernation`: never.
  duration hibernate_after = runtime_options{}.hibernate_after;
  /// Told, in one line, what did not go as asked for, such as a kernel that refuses io_uring. Empty: standard error.
  std::function<void(std::string_view)> report = {};
};

namespace detail {
int run(const run_options& options, std::function<int()> main);
}

/// Starts the runtime, runs `main` as the first virtual thread, waits for it, stops the runtime, and returns what
/// `main` returned: the exit code of the program. An exception of `main` leaves run().
/// Thread: a plain OS thread, usually main's. Not from inside a task.
template <std::invocable F>
int run(run_options options, F main) {
  return detail::run(options, [&main] {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      main();
      return 0;
    } else {
      return static_cast<int>(main());
    }
  });
}

template <std::invocable F>
int run(F main) {
  return run(run_options{}, std::move(main));
}

}  // namespace weft
