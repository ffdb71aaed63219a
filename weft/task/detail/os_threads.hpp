#pragma once

#include <cstddef>

namespace weft::detail {

/// How many OS threads sleep until a task wakes them, without a deadline. May be old at once.
[[nodiscard]] std::size_t os_threads_asleep() noexcept;

}  // namespace weft::detail
