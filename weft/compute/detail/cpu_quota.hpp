#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weft::detail {

/// How many cores a quota of CPU time a period makes, rounded up; nothing for "max" and for what is no number.
[[nodiscard]] std::optional<std::size_t> cores_of_quota(std::string_view quota, std::string_view period) noexcept;

/// The least quota of `group` ("/a/b") and of the groups around it, of either version, below `mount`; nothing when
/// there is none.
[[nodiscard]] std::optional<std::size_t> cores_of_cgroup(const std::string& mount, std::string group);

/// The least quota of the groups that the file `groups`, which is like /proc/self/cgroup, names, where the file
/// `mounts`, like /proc/self/mountinfo, says that they are mounted; nothing when there is none.
[[nodiscard]] std::optional<std::size_t> cores_of_process(const std::string& groups, const std::string& mounts);

}  // namespace weft::detail
