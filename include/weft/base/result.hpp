#pragma once

#include <expected>
#include <system_error>

#include <weft/base/error.hpp>

namespace weft {

/// What an operation that a program must expect to fail returns: its value, or why there is none.
template <class T>
using result = std::expected<T, std::error_code>;

/// The error side of a `result`, from one of weft's conditions.
[[nodiscard]] inline std::unexpected<std::error_code> failure(errc condition) {
  return std::unexpected{make_error_code(condition)};
}

/// The error side of a `result`, from an errno value.
[[nodiscard]] inline std::unexpected<std::error_code> failure_from_errno(int value) {
  return std::unexpected{std::error_code{value, std::system_category()}};
}

}  // namespace weft
