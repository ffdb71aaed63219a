#pragma once

#include <optional>

#include <time.h>

#include <weft/base/clock.hpp>

namespace weft::io {

/// How long it is until `deadline`, as the kernel wants it; empty: for ever; zero when it has passed.
[[nodiscard]] inline std::optional<timespec> until(time_point deadline) {
  if (deadline == no_deadline) return std::nullopt;
  auto left = deadline == time_point::min() ? duration::zero() : std::max(duration::zero(), deadline - now());
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return timespec{.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
}

}  // namespace weft::io
