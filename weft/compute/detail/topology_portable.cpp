#include "weft/compute/detail/topology.hpp"

namespace weft::detail {

std::vector<std::uint32_t> groups_by_cache() { return {}; }

std::size_t current_core() noexcept { return 0; }

}  // namespace weft::detail
