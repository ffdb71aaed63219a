#pragma once

#include <cstddef>
#include <string>
#include <system_error>

#include <weft/stack/detail/stack_pool.hpp>

// What stack_pool asks of the operating system.

namespace weft::stack::memory {

[[nodiscard]] std::size_t page_bytes() noexcept;

/// How much lies below each stack that faults. GCC for arm64 takes 64 KiB for granted: it probes frames in such steps,
/// so that a smaller guard could be stepped over. Each KiB takes 2 bytes of page tables a stack, on every processor.
[[nodiscard]] std::size_t guard_bytes() noexcept;

/// The best way to guard that this kernel has, found by trying.
[[nodiscard]] guard_method best_guard() noexcept;

/// Address space that takes memory, in small pages, only where it is touched.
class address_space {
 public:
  /// begin() is null, and errno set, when the kernel refuses.
  explicit address_space(std::size_t bytes) noexcept;
  ~address_space();
  address_space(const address_space&) = delete;
  address_space& operator=(const address_space&) = delete;

  [[nodiscard]] std::byte* begin() const noexcept { return begin_; }

 private:
  std::byte* const begin_;
  const std::size_t bytes_;
};

/// Makes the `guard_bytes()` from `begin` on fault on every access.
[[nodiscard]] std::error_code install_guard(std::byte* begin, guard_method method) noexcept;

/// Gives the memory behind [begin, begin + bytes) back; it reads as zero afterwards.
void drop(std::byte* begin, std::size_t bytes) noexcept;

/// The first page of [begin, end), whole pages, that takes memory; `end` when none does.
[[nodiscard]] std::byte* first_resident(std::byte* begin, std::byte* end) noexcept;

/// What limit of the system refused memory, and how to raise it. At least `least_mappings` are known to be in use.
[[nodiscard]] std::string explain(std::error_code error, std::size_t least_mappings);

}  // namespace weft::stack::memory
