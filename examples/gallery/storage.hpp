#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/base/result.hpp>

#include "files.hpp"
#include "photo_id.hpp"
#include "problem.hpp"

namespace gallery {

/// The files that make up a photo.
enum class part { original, large_thumbnail, small_thumbnail };
inline constexpr std::array all_parts{part::original, part::large_thumbnail, part::small_thumbnail};
[[nodiscard]] std::string_view name(part which) noexcept;

/// The contents of one of a photo's files.
struct piece {
  part which = part::original;
  std::span<const std::byte> contents;
};

/// The files of a data folder, whole or not there at all, whenever the power fails.
///
///     lock              held while a gallery runs on the folder
///     key, key-check    what the photos are sealed with (see vault.hpp)
///     catalogue.sqlite  which photos there are (see catalogue.hpp)
///     reserve           room that is given up for deleting photos when the disk is full (see disk_reserve.hpp)
///     access.log
///     photos/1f/1f….original, 1f….1024, 1f….256   a photo's files, sealed, by the first digits of its id
///
/// A photo is there from the moment on at which the catalogue's row of it is on the disk, and as long as that row is
/// there. To add one: put() writes its files under names that end in ".new", waits until they are on the disk, gives
/// them their names and waits until the names are on the disk; then the row is inserted. To remove one: the row is
/// removed; then remove() deletes the files. A crash at any moment leaves at most files that no row knows, which
/// recover() deletes; never a row without its files.
///
/// Thread: any, for every member but recover(), at the same time, as long as each is given another photo.
/// Parks, but for open() and recover(). Cancel: put() leaves nothing.
class storage {
 public:
  /// Makes the folder ready and takes its lock.
  [[nodiscard]] static startup<storage> open(const std::filesystem::path& folder);

  [[nodiscard]] weft::result<void> put(const photo_id& photo, std::span<const piece> pieces) const;
  [[nodiscard]] weft::result<bytes> get(const photo_id& photo, part which) const;
  void remove(const photo_id& photo) const;

  struct recovery {
    std::size_t deleted_files = 0;     ///< of photos that were being added or removed when the last run ended
    std::vector<photo_id> incomplete;  ///< photos that lost files; never by a crash
  };
  /// Compares the files with the photos that the catalogue knows, which are sorted. Before anything else is done.
  [[nodiscard]] recovery recover(std::span<const photo_id> known) const;

  [[nodiscard]] std::filesystem::path key_file() const { return folder_ / "key"; }
  [[nodiscard]] std::filesystem::path catalogue_file() const { return folder_ / "catalogue.sqlite"; }
  [[nodiscard]] std::filesystem::path access_log_file() const { return folder_ / "access.log"; }

 private:
  /// A locked file's descriptor.
  class folder_lock {
   public:
    explicit folder_lock(int number) noexcept : number_(number) {}
    folder_lock(folder_lock&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    folder_lock& operator=(folder_lock&&) = delete;
    ~folder_lock();
    [[nodiscard]] int number() const noexcept { return number_; }

   private:
    int number_;
  };

  storage(std::filesystem::path folder, folder_lock lock);
  [[nodiscard]] std::filesystem::path folder_of(const photo_id& photo) const;
  [[nodiscard]] std::filesystem::path path_of(const photo_id& photo, part which) const;

  std::filesystem::path folder_;
  folder_lock lock_;
};

}  // namespace gallery
