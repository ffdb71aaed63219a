#pragma once

#include <cstddef>
#include <string>
#include <system_error>

#include <weft/stack/stack_pool.hpp>

// What stack_pool asks of the operating system.

namespace weft::stack::memory {

[[nodiscard]] std::size_t page_bytes() noexcept;

/// The best way to guard that this kernel has, found by trying.
[[nodiscard]] guard_method best_guard() noexcept;

/// Address space that takes memory, in small pages, only where it is touched; null, with errno set, when refused.
[[nodiscard]] std::byte* reserve(std::size_t bytes) noexcept;
void unreserve(std::byte* begin, std::size_t bytes) noexcept;

/// Makes the page at `page` fault on every access.
[[nodiscard]] std::error_code install_guard(std::byte* page, guard_method method) noexcept;

/// Gives the memory behind [begin, begin + bytes) back; it reads as zero afterwards.
void drop(std::byte* begin, std::size_t bytes) noexcept;

/// What limit of the system refused memory, and how to raise it.
[[nodiscard]] std::string explain(std::error_code error);

}  // namespace weft::stack::memory
