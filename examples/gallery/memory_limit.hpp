#pragma once

#include <cstdint>
#include <filesystem>

namespace gallery {

/// How much memory this process may use: the machine's, or the least that a control group allows which it is in, of
/// version 1 or 2. `root` is where /proc and /sys are, and `machine_bytes` what the machine has.
[[nodiscard]] std::uint64_t memory_limit(const std::filesystem::path& root, std::uint64_t machine_bytes);

/// Of this machine and process.
[[nodiscard]] std::uint64_t memory_limit();

}  // namespace gallery
