#pragma once

#include <cstddef>

namespace weft {

/// How many OS threads of the process can compute at the same time: its affinity mask, and the CPU quota of its cgroup
/// where that is less, rounded up.
/// Thread: any.
[[nodiscard]] std::size_t available_parallelism();

}  // namespace weft
