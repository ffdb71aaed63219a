#include "task/compute_thread.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include <weft/sched/scheduler.hpp>
#include <weft/task/compute_pool.hpp>

#include "base/own_thread.hpp"
#include "sched/thread_state.hpp"
#include "task/cpu_quota.hpp"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace weft {
namespace detail {
namespace {

[[nodiscard]] std::string first_line(const std::string& path) {
  std::ifstream file{path};
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

void become_compute_thread() noexcept {
  base::become_own_thread("weft-compute");
#if defined(__linux__)
  sched::run_after_seats(static_cast<int>(::syscall(SYS_gettid)));
#endif
}

std::optional<std::size_t> cores_of_quota(std::string_view quota, std::string_view period) noexcept {
  auto number = [](std::string_view text) { return std::strtoll(std::string{text}.c_str(), nullptr, 10); };
  auto allowed = number(quota), every = number(period);
  if (allowed <= 0 || every <= 0) return std::nullopt;  // "max", -1, or nothing that means a number
  return static_cast<std::size_t>((allowed - 1) / every + 1);
}

std::optional<std::size_t> cores_of_cgroup(const std::string& mount, std::string group) {
  std::optional<std::size_t> least;
  // The quota of every group around holds as well.
  for (;;) {
    auto line = first_line(mount + group + "/cpu.max");
    auto blank = line.find(' ');
    if (blank != std::string::npos) {
      auto cores = cores_of_quota(std::string_view{line}.substr(0, blank), std::string_view{line}.substr(blank + 1));
      if (cores) least = least ? std::min(*least, *cores) : *cores;
    }
    if (group.empty() || group == "/") return least;
    group.resize(group.rfind('/'));
  }
}

}  // namespace detail

std::size_t available_parallelism() {
  auto cores = sched::available_cores();
#if defined(__linux__)
  std::optional<std::size_t> quota;
  auto group = detail::first_line("/proc/self/cgroup");  // one line, "0::/group", where there is version 2 only
  if (group.starts_with("0::/")) {
    quota = detail::cores_of_cgroup("/sys/fs/cgroup", group.substr(3));
  } else {
    quota = detail::cores_of_quota(detail::first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
                                   detail::first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
  }
  if (quota) cores = std::min(cores, *quota);
#endif
  return cores;
}

}  // namespace weft
