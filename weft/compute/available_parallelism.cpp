#include <weft/compute/available_parallelism.hpp>

#include <algorithm>

#include <weft/sched/detail/scheduler.hpp>

#include "weft/compute/detail/cpu_quota.hpp"

namespace weft {

std::size_t available_parallelism() {
  auto cores = sched::available_cores();
#if defined(__linux__)
  const auto quota = detail::cores_of_process("/proc/self/cgroup", "/proc/self/mountinfo");
  if (quota) cores = std::min(cores, *quota);
#endif
  return cores;
}

}  // namespace weft
