#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include <weft/base/result.hpp>

namespace gallery {

using bytes = std::vector<std::byte>;

/// A file descriptor's owner.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int number) noexcept : number_(number) {}
  descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~descriptor();

  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  int number_ = -1;
};

/// Who may read a file that is created.
enum class readable_by { owner, owner_and_group };

/// Creates `path`, which must not exist, with these contents, and waits until they are on the disk. The name is on the
/// disk once its directory was synchronised. Removes the file again when it fails.
[[nodiscard]] weft::result<void> create_durably(const std::filesystem::path& path, std::span<const std::byte> contents,
                                                readable_by who);

[[nodiscard]] weft::result<bytes> read_whole(const std::filesystem::path& path);

/// Waits until the names in a directory are on the disk.
[[nodiscard]] weft::result<void> synchronise_directory(const std::filesystem::path& directory);

}  // namespace gallery
