#pragma once

#include <chrono>
#include <cstdint>

#include <weft/base/clock.hpp>

namespace weft {

/// Whether a runtime reports that all of its tasks sleep and that nothing can wake any of them.
enum class asleep_warning : std::uint8_t { no, yes };

/// What a runtime reports of its own accord, through its report function: by default one line on standard error. Each
/// kind of line appears at most once a second, and says how many were left out since the one before.
struct warning_options {
  /// A task that has run for longer, computing or blocked in the kernel, without parking; compute() and blocking() are
  /// not meant. One that computes must have had a core for half of that time: a busy machine is not its fault. Once for
  /// each such run. duration::max(): never.
  time_span stalled_over = std::chrono::seconds{1};
  /// A scope or a join_handle that has waited for longer after it cancelled the tasks it waits for: in join(), or as it
  /// is destroyed, not in a coroutine's co_await of async_join(). Once for each wait. duration::max(): never.
  time_span cancelled_over = std::chrono::seconds{5};
  /// Every task waits, an OS thread waits for them, and there is no timer, descriptor, computation or other OS thread
  /// that could wake one. A signal handler still might. Where tasks are tracked, tracking_options decides instead.
  asleep_warning asleep = asleep_warning::yes;

  /// No warnings at all.
  [[nodiscard]] static constexpr warning_options none() noexcept {
    return {.stalled_over = duration::max(), .cancelled_over = duration::max(), .asleep = asleep_warning::no};
  }
};

}  // namespace weft
