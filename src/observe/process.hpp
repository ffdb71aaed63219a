#pragma once

#include <weft/observe/figures.hpp>

namespace weft::observe {

/// What this process has used so far. A file per operating system; CMake picks it.
[[nodiscard]] process_figures read_process_figures();

}  // namespace weft::observe
