#pragma once

#include <cstddef>

namespace weft {

struct parallel_options {
  /// The fewest elements that are worth handing to another core; 0: found out while it runs.
  std::size_t grain = 0;
};

}  // namespace weft
