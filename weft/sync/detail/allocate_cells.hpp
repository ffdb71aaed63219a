#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include <weft/base/error.hpp>

namespace weft::detail {

/// Memory for `capacity` cells of a new object of that `kind`.
/// Throws capacity_error.
template <class Cell>
[[nodiscard]] std::unique_ptr<Cell[]> allocate_cells(const char* kind, std::size_t capacity) {
  // Not more than pointers can tell apart, which not every allocator refuses.
  auto* made = capacity > PTRDIFF_MAX / sizeof(Cell) ? nullptr : new (std::nothrow) Cell[capacity];
  if (!made) throw capacity_error{kind, capacity, sizeof(Cell)};
  return std::unique_ptr<Cell[]>{made};
}

}  // namespace weft::detail
