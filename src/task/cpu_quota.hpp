#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weft::detail {

/// How many cores a quota of CPU time a period makes, rounded up; nothing for "max" and for what is no number.
[[nodiscard]] std::optional<std::size_t> cores_of_quota(std::string_view quota, std::string_view period) noexcept;

/// The least quota of `group` ("/a/b") and of the groups around it, below `mount`; nothing when there is none.
[[nodiscard]] std::optional<std::size_t> cores_of_cgroup(const std::string& mount, std::string group);

}  // namespace weft::detail
