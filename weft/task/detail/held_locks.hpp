#pragma once

namespace weft::detail {

/// A lock of the C library's that the calling OS thread holds, as far as weft_lock_check is part of the program; null
/// where there is none. Each is given once. See lock_check.cpp.
using held_lock_function = const void* (*)() noexcept;

/// Null without weft_lock_check.
[[nodiscard]] held_lock_function find_lock_check() noexcept;

}  // namespace weft::detail
