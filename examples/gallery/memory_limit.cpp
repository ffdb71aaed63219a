#include "memory_limit.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace gallery {
namespace {

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> found;
  for (std::string word; stream >> word;) found.push_back(word);
  return found;
}

bool is_among(std::string_view wanted, std::string_view comma_separated) {
  while (!comma_separated.empty()) {
    const auto comma = std::min(comma_separated.find(','), comma_separated.size());
    if (comma_separated.substr(0, comma) == wanted) return true;
    comma_separated.remove_prefix(std::min(comma + 1, comma_separated.size()));
  }
  return false;
}

/// A hierarchy of control groups, as it is mounted here.
struct hierarchy {
  std::string group;  ///< this process's: "/a/b"
  std::string top;    ///< the group that is seen at `mounted`
  std::string mounted;
  const char* limit_file;
};

/// Which groups this process is in, by the lines "id:controllers:/group" of /proc/self/cgroup.
struct memberships {
  std::optional<std::string> version_1;
  std::optional<std::string> version_2;
};

memberships read_memberships(const std::filesystem::path& root) {
  memberships found;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) found.version_2 = line.substr(second + 1);
    if (is_among("memory", controllers)) found.version_1 = line.substr(second + 1);
  }
  return found;
}

/// The lines of mountinfo: id, parent, device, root, mount point, options, optional fields, "-", type, source, options.
std::vector<hierarchy> read_hierarchies(const std::filesystem::path& root) {
  const auto groups = read_memberships(root);
  std::vector<hierarchy> found;
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const auto fields = words(line);
    const auto dash = std::ranges::find(fields, "-");
    if (dash - fields.begin() < 6 || fields.end() - dash < 4) continue;
    if (dash[1] == "cgroup2" && groups.version_2) {
      found.push_back({*groups.version_2, fields[3], fields[4], "memory.max"});
    } else if (dash[1] == "cgroup" && is_among("memory", dash[3]) && groups.version_1) {
      found.push_back({*groups.version_1, fields[3], fields[4], "memory.limit_in_bytes"});
    }
  }
  return found;
}

/// The number in a file; nothing for "max".
std::optional<std::uint64_t> read_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string text;
  if (!(file >> text)) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The group's folder below the mount point. Where it lies outside of what is mounted, as in a container, the mount
/// point is the group.
std::filesystem::path below_mount(const hierarchy& groups) {
  std::string_view group = groups.group;
  if (groups.top != "/") {
    const bool is_inside =
        group.starts_with(groups.top) && (group.size() == groups.top.size() || group[groups.top.size()] == '/');
    group = is_inside ? group.substr(groups.top.size()) : std::string_view{};
  }
  const bool leaves = group.find("/..") != std::string_view::npos;
  return leaves ? std::filesystem::path{} : std::filesystem::path(group).relative_path();
}

}  // namespace

std::uint64_t memory_limit(const std::filesystem::path& root, std::uint64_t machine_bytes) {
  std::uint64_t least = machine_bytes;
  for (const auto& groups : read_hierarchies(root)) {
    const auto mounted = root / std::filesystem::path(groups.mounted).relative_path();
    // A group's limit holds for all groups in it.
    for (auto group = below_mount(groups);; group = group.parent_path()) {
      if (const auto limit = read_number(mounted / group / groups.limit_file)) least = std::min(least, *limit);
      if (group.empty()) break;
    }
  }
  return least;
}

std::uint64_t memory_limit() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  const std::uint64_t machine = pages > 0 && page_bytes > 0
                                    ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes)
                                    : std::uint64_t{1} << 30;
  return memory_limit("/", machine);
}

}  // namespace gallery
