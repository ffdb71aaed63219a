#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

#include <weft/base/accounting.hpp>
#include <weft/base/clock.hpp>
#include <weft/base/containers.hpp>

namespace weft {

/// One of the things that can end a task's wait.
struct awaited {
  wait_kind kind{};
  std::string_view what;         ///< "mutex", "task" …; empty where that is not known
  const void* object = nullptr;  ///< null where that is not known
};

/// What a task was doing at one moment.
struct task_snapshot {
  std::uint64_t number = 0;  ///< tasks are numbered as they are made
  std::string name;          ///< empty when it has none
  std::string_view kind;     ///< "virtual thread", "coroutine" or "OS thread"
  std::source_location spawned_at;
  bool waits = false;                 ///< otherwise it runs, or is ready to
  plain::vector<awaited> waits_for;   ///< the first of them to happen ends the wait
  std::chrono::nanoseconds waited{};  ///< for how long, to some milliseconds
  /// Where a virtual thread waits, as addresses in the code, innermost first: see describe().
  plain::vector<const void*> trace;
  /// Where each of a coroutine's chain is suspended, innermost first; each is awaited by the next.
  plain::vector<std::source_location> awaits;
};

/// The task and what it waits for, in one line.
[[nodiscard]] std::string describe(const task_snapshot& task);

/// The same, followed by a line for each place where it waits. Looks symbols up, which takes its time.
[[nodiscard]] std::string describe_with_trace(const task_snapshot& task);

}  // namespace weft
