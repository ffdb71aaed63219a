#pragma once

#include <weft/observe/metrics_snapshot.hpp>

namespace weft::observe {

/// What this process has used so far. A file per operating system; CMake picks it.
[[nodiscard]] process_metrics read_process_metrics();

}  // namespace weft::observe
