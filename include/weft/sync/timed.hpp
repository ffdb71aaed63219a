#pragma once

#include <chrono>
#include <utility>

#include <weft/base/clock.hpp>
#include <weft/task/operation.hpp>
#include <weft/task/with_deadline.hpp>

namespace weft::detail {

/// A span of time in any unit, rounded up; what weft's clock cannot hold is the longest that it can.
template <class Rep, class Period>
[[nodiscard]] constexpr duration span_of(const std::chrono::duration<Rep, Period>& time) noexcept {
  using seconds = std::chrono::duration<double>;
  if (seconds{time} >= seconds{duration::max()}) return duration::max();
  if (seconds{time} <= seconds{duration::min()}) return duration::min();
  return std::chrono::ceil<duration>(time);
}

/// Carries out `op` if it happens within `time`. True: it did.
template <operation Op, class Rep, class Period>
[[nodiscard]] bool wait_for(Op op, const std::chrono::duration<Rep, Period>& time) {
  return await(with_timeout(std::move(op), span_of(time))).has_value();
}

}  // namespace weft::detail
