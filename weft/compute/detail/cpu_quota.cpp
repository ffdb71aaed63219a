#include "weft/compute/detail/cpu_quota.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

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

std::optional<std::size_t> cores_of_quota(std::string_view quota, std::string_view period) noexcept {
  auto number = [](std::string_view text) { return std::strtoll(std::string{text}.c_str(), nullptr, 10); };
  auto allowed = number(quota), every = number(period);
  if (allowed <= 0 || every <= 0) return std::nullopt;  // "max", -1, or nothing that means a number
  return static_cast<std::size_t>((allowed - 1) / every + 1);
}

namespace {

/// The quota of one group's directory, of either version.
[[nodiscard]] std::optional<std::size_t> cores_of_directory(const std::string& directory) {
  auto line = first_line(directory + "/cpu.max");
  if (auto blank = line.find(' '); blank != std::string::npos) {
    return cores_of_quota(std::string_view{line}.substr(0, blank), std::string_view{line}.substr(blank + 1));
  }
  return cores_of_quota(first_line(directory + "/cpu.cfs_quota_us"), first_line(directory + "/cpu.cfs_period_us"));
}

/// Whether `word` is one of those in `list`, which commas separate.
[[nodiscard]] bool is_listed(std::string_view word, std::string_view list) noexcept {
  for (;;) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == word) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

/// Of a line of /proc/self/cgroup, "4:cpu,cpuacct:/a/b", or "0::/a/b" where it is that of version 2: the group, if it
/// is one that has a quota of CPU time.
[[nodiscard]] std::optional<std::string> group_with_cpu(const std::string& line) {
  const auto first = line.find(':'), second = line.find(':', first + 1);
  if (second == std::string::npos) return std::nullopt;
  const auto controllers = std::string_view{line}.substr(first + 1, second - first - 1);
  if (!controllers.empty() && !is_listed("cpu", controllers)) return std::nullopt;
  return line.substr(second + 1);
}

/// A line of /proc/self/mountinfo, "29 23 0:26 /root /mounted/at rw - cgroup cgroup rw,cpu,cpuacct".
struct mounted_groups {
  std::string root, at;
  bool has_cpu = false;

  explicit mounted_groups(const std::string& line) {
    std::istringstream words{line};
    std::string skipped, type, source, options;
    words >> skipped >> skipped >> skipped >> root >> at;
    while (words >> skipped && skipped != "-") {}
    words >> type >> source >> options;
    has_cpu = type == "cgroup2" || (type == "cgroup" && is_listed("cpu", options));
  }
};

}  // namespace

std::optional<std::size_t> cores_of_cgroup(const std::string& mount, std::string group) {
  std::optional<std::size_t> least;
  // The quota of every group around holds as well.
  for (;;) {
    if (auto cores = cores_of_directory(mount + group)) least = least ? std::min(*least, *cores) : *cores;
    if (group.empty() || group == "/") return least;
    group.resize(group.rfind('/'));
  }
}

std::optional<std::size_t> cores_of_process(const std::string& groups, const std::string& mounts) {
  std::optional<std::size_t> least;
  std::ifstream of_groups{groups};
  for (std::string line; std::getline(of_groups, line);) {
    const auto group = group_with_cpu(line);
    if (!group) continue;
    const bool is_version_2 = line.starts_with("0::");
    std::ifstream of_mounts{mounts};
    for (std::string mount; std::getline(of_mounts, mount);) {
      const mounted_groups mounted{mount};
      if (!mounted.has_cpu || is_version_2 != (mount.find(" - cgroup2 ") != std::string::npos)) continue;
      // In a container the group's own directory is mounted, and the way to it is not to be seen.
      const bool is_below = mounted.root != "/" && (*group + '/').starts_with(mounted.root + '/');
      const auto cores = cores_of_cgroup(mounted.at, is_below ? group->substr(mounted.root.size()) : *group);
      if (cores) least = least ? std::min(*least, *cores) : *cores;
    }
  }
  return least;
}

}  // namespace detail
}  // namespace weft
