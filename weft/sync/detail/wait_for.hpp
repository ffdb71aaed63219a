#pragma once

#include <chrono>
#include <utility>

#include <weft/base/clock.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/task/operation.hpp>

namespace weft::detail {

/// Carries out `op` if it happens within `time`. True: it did.
template <operation Op>
[[nodiscard]] bool wait_for(Op op, time_span time) {
  return await(with_timeout(std::move(op), time)).has_value();
}

}  // namespace weft::detail
