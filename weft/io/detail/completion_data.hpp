#pragma once

#include <cstdint>

#include <weft/io/detail/file_call.hpp>

#include "weft/io/detail/descriptor_table.hpp"
#include "weft/io/detail/ring.hpp"

namespace weft::io {

// Completions are told apart by their user data: a descriptor's token (highest bit set), the wake-up, nothing of
// interest, or else the address of a file request.

inline constexpr std::uint64_t ignored = 0, woken = 1, token_bit = 1ull << 63;

[[nodiscard]] constexpr bool is_token(std::uint64_t data) noexcept { return data & token_bit; }
[[nodiscard]] constexpr bool is_file_request(std::uint64_t data) noexcept {
  return data != ignored && data != woken && !is_token(data);
}

/// Delivers what a poll of a descriptor says. Returns whether it has to be watched anew.
[[nodiscard]] bool deliver_events(const completion& one) noexcept;

/// Delivers the outcome of a file request.
void deliver_file(const completion& one) noexcept;

}  // namespace weft::io
