#pragma once

#include <cstddef>

#include "weft/stack/detail/reservation.hpp"

// Every reservation of the process, for signal handlers, which are given an address and nothing else.

namespace weft::stack::reservation_registry {

/// Thread: any. `area` stays where it is until remove().
void add(const reservation& area);

/// Thread: any; but nobody uses the stacks of `area` any more.
void remove(const reservation& area) noexcept;

/// Where an address lies.
struct place {
  const reservation* area = nullptr;  // null: in no reservation
  std::size_t index = 0;              // of the stack whose memory or guard it is
  bool in_guard = false;
};

/// Async-signal-safe.
[[nodiscard]] place find(const void* address) noexcept;

}  // namespace weft::stack::reservation_registry
