#include <sched.h>

#include "weft/compute/detail/topology.hpp"

namespace weft::detail {

std::vector<std::uint32_t> groups_by_cache() { return groups_by_cache("/sys/devices/system/cpu"); }

std::size_t current_core() noexcept {
  auto core = ::sched_getcpu();
  return core < 0 ? 0 : static_cast<std::size_t>(core);
}

}  // namespace weft::detail
