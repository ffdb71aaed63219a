#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "image.hpp"
#include "recovery.hpp"
#include "shared_catalogue.hpp"
#include "storage.hpp"
#include "trouble.hpp"
#include "vault.hpp"

namespace gallery {

/// A photo that was added, or that was there before.
struct added_photo {
  photo_record photo;
  bool is_new = false;
};

/// One of a photo's files, unsealed, and what the catalogue knows of the photo.
struct photo_contents {
  photo_record photo;
  bytes contents;
};

/// All photos: sealed files and the catalogue of them, kept in step. See storage.hpp for how.
/// Thread: any, for every member, at the same time; construction and destruction by the owner.
/// Parks.
/// Cancel: fails with 503, nothing was done; what is being written goes on to its end.
class library {
 public:
  struct settings {
    std::filesystem::path folder = {};
    std::filesystem::path key_file = {};  ///< empty: in the folder
    std::size_t catalogue_readers = 4;
    trouble::tell tell_operator = [](std::string_view) {};  ///< a line about what fails
  };

  /// Opens a data folder, or makes it; makes catalogue and files agree after a crash or a loss (see recovery.hpp).
  [[nodiscard]] static startup<std::unique_ptr<library>> open(const settings& wanted);

  /// Returns when the photo is on the disk, all of it. When it fails nothing is left. A photo with the same contents
  /// that is there already is returned instead.
  [[nodiscard]] outcome<added_photo> add(const photo_record& photo, std::span<const std::byte> original,
                                         const rendition& rendered);

  [[nodiscard]] outcome<photo_record> find(const photo_id& id);
  [[nodiscard]] outcome<std::optional<photo_record>> find_by_contents(std::string_view sha256);
  [[nodiscard]] outcome<photo_page> page(std::string_view cursor, unsigned size);
  [[nodiscard]] outcome<photo_contents> read(const photo_id& id, part which);
  [[nodiscard]] outcome<void> remove(const photo_id& id);

  /// Fails where photos cannot be read or kept at present.
  [[nodiscard]] outcome<void> check_health();

  [[nodiscard]] const storage& files() const noexcept { return files_; }
  [[nodiscard]] const recovery& recovered() const noexcept { return recovered_; }

 private:
  library(storage files, vault sealing, recovery recovered, const settings& wanted);
  [[nodiscard]] outcome<applied> insert(const photo_record& photo);
  template <class T>
  outcome<T> noted(outcome<T> what);

  storage files_;
  vault vault_;
  recovery recovered_;
  trouble disk_;  // what cannot be written
  trouble catalogue_damage_;
  shared_catalogue catalogue_;
};

}  // namespace gallery
