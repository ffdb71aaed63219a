#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
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

/// A file in the photos' folders.
struct stored_file {
  enum class state {
    whole,    ///< has its name
    begun,    ///< the last run was adding the photo
    going,    ///< the last run was removing the photo
    strange,  ///< marked as begun or going by a run that was not the last one
  };
  photo_id photo;
  part which = part::original;
  state now = state::whole;
  std::filesystem::path path;
};

/// The files of a data folder, whole or not there at all, whenever the power fails.
///
///     lock              held while a gallery runs on the folder, as the folder itself is
///     run               the last run's number, which marks what it had not finished
///     key, key-check    what the photos are sealed with (see vault.hpp)
///     catalogue.sqlite  which photos there are (see catalogue.hpp)
///     reserve           room that is given up for deleting photos when the disk is full (see disk_reserve.hpp)
///     access.log
///     photos/1f/1f….original, 1f….1024, 1f….256   a photo's files (see sealed_photo.hpp), by its first digits
///     set-aside/        files that no photo needs and no run was about to delete
///
/// A photo is there as long as its original is: the catalogue can be made anew from the files. To add one: put() writes
/// its files under names that end in ".<run>.new", waits until they are on the disk, gives them their names, the
/// original's last, and waits until the names are on the disk; then the row is inserted. To remove one: the row is
/// removed; then remove() renames the original to ".<run>.gone", and deletes all files. A crash at any moment leaves a
/// whole photo, or files that the run's mark tells apart from all others. See recovery.hpp for what is done with them.
///
/// Thread: any, for put(), get() and remove(), at the same time, as long as each is given another photo. The others
///   before those.
/// Parks: put(), get() and remove().
/// Cancel: put() leaves nothing.
class storage {
 public:
  /// Makes the folder ready and takes its lock.
  [[nodiscard]] static startup<storage> open(const std::filesystem::path& folder);

  [[nodiscard]] weft::result<void> put(const photo_id& photo, std::span<const piece> pieces) const;
  [[nodiscard]] weft::result<bytes> get(const photo_id& photo, part which) const;
  void remove(const photo_id& photo) const;

  /// Whether the system lets files be made in the folder, which costs nothing; whether a file can be written there.
  [[nodiscard]] weft::result<void> check_writable() const;
  [[nodiscard]] weft::result<void> try_to_write() const;

  /// All files in the photos' folders that have names of photos' files, by photo.
  [[nodiscard]] std::vector<stored_file> survey() const;

  /// Moves a file to set_aside_folder(), where it stays. False if that fails: then it stays where it is.
  [[nodiscard]] bool set_aside(const std::filesystem::path& file) const;

  /// From now on, what is begun bears a new run's mark. After a survey, and what it asked for.
  void begin_run();

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  [[nodiscard]] std::filesystem::path set_aside_folder() const { return folder_ / "set-aside"; }
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

  storage(std::filesystem::path folder, std::array<folder_lock, 2> locks);
  [[nodiscard]] weft::result<void> write(const photo_id& photo, std::span<const piece> pieces) const;
  [[nodiscard]] std::filesystem::path folder_of(const photo_id& photo) const;
  [[nodiscard]] std::filesystem::path path_of(const photo_id& photo, part which) const;

  [[nodiscard]] std::filesystem::path unfinished(const photo_id& photo, part which) const;
  [[nodiscard]] std::filesystem::path going(const photo_id& photo) const;
  [[nodiscard]] std::filesystem::path run_file() const { return folder_ / "run"; }

  std::filesystem::path folder_;
  std::array<folder_lock, 2> locks_;
  std::string run_;  ///< the last run's number until begin_run()
};

}  // namespace gallery
