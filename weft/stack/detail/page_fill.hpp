#pragma once

#include <cstddef>

// Pages put in place in one step: where a guard marker was, the whole page appears, and no reader ever sees a part of
// it. userfaultfd can do that without a handler of its own, for memory that was registered. Without it hibernation has
// to close the memory to everybody meanwhile, which takes three times as long.

namespace weft::stack::page_fill {

inline constexpr std::size_t page_bytes = 4096;

/// Opens, once, what the others need.
void prepare() noexcept;

/// For tests: whether put() may do anything.
void allow(bool allowed) noexcept;

/// Registers fresh memory, where the system allows it.
void register_pages(std::byte* begin, std::size_t bytes) noexcept;

/// Puts a page with these contents where a guard marker is. False: it could not, and nothing happened.
/// Async-signal-safe.
[[nodiscard]] bool put(std::byte* page, const void* contents) noexcept;

}  // namespace weft::stack::page_fill
