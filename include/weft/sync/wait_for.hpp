#pragma once

#include <chrono>
#include <utility>

#include <weft/base/clock.hpp>
#include <weft/task/operation.hpp>
#include <weft/task/with_deadline.hpp>

namespace weft::detail {

/// Carries out `op` if it happens within `time`. True: it did.
template <operation Op>
[[nodiscard]] bool wait_for(Op op, time_span time) {
  return await(with_timeout(std::move(op), time)).has_value();
}

}  // namespace weft::detail
