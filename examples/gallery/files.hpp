#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include <weft/base/result.hpp>

namespace gallery {

using bytes = std::vector<std::byte>;

/// Creates `path`, which must not exist and which only its owner may read, with these contents, and waits until they
/// are on the disk. The name is on the disk once its folder was synchronised. Removes the file again when it fails.
/// Parks.
/// Cancel: nothing is left.
[[nodiscard]] weft::result<void> create_durably(const std::filesystem::path& path, std::span<const std::byte> contents);

/// Parks.
[[nodiscard]] weft::result<bytes> read_whole(const std::filesystem::path& path);

}  // namespace gallery
