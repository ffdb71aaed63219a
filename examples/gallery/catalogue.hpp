#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "disk_reserve.hpp"
#include "image.hpp"
#include "photo_id.hpp"
#include "problem.hpp"
#include "sqlite.hpp"

namespace gallery {

/// What the database knows of a photo.
struct photo_record {
  photo_id id;
  std::string sha256 = {};  ///< of the original, in hexadecimal
  image_type type = image_type::jpeg;
  dimensions size = {};  ///< upright
  std::uint64_t bytes = 0;
  std::int64_t created_us = 0;  ///< since 1970, UTC
  std::string verdict = {};     ///< the moderator's
};

/// Photos in the order of their insertion, newest first.
struct photo_page {
  std::vector<photo_record> photos = {};
  std::string next = {};         ///< the cursor of the page that follows; empty on the last one
  std::size_t damaged_rows = 0;  ///< left out
};

/// What can be done to the catalogue.
struct insertion {
  photo_record photo;
};
struct removal {
  photo_id id;
};
using change = std::variant<insertion, removal>;

/// What became of a change. An insertion yields the photo as it is now in the catalogue: the one that had the same
/// contents before, if there was one. A removal yields what was removed, where its row made sense.
struct applied {
  std::optional<photo_record> photo;
  bool changed = false;  ///< false: there was such a photo already; or there was none to remove
};

/// What the catalogue was like when it was opened.
struct prepared_catalogue {
  bool had_log = false;          ///< the last run did not close it: what it wrote last may be lost
  std::size_t dropped_rows = 0;  ///< rows that made no sense, which are gone now
};

/// Makes the database what this version needs: checks it for damage, creates or migrates its tables, drops rows that
/// make no sense. Beside it lies a reserve of room on the disk, which is given up where it is needed for that.
[[nodiscard]] startup<prepared_catalogue> prepare_catalogue(const std::filesystem::path& file);

/// The one who changes the catalogue.
/// Thread: one at a time.
class catalogue_writer {
 public:
  explicit catalogue_writer(const std::filesystem::path& file);

  /// Makes all the changes in one transaction, in order, and returns when they are on the disk. Either all are made or
  /// none; in the latter case all fail with the same problem. Removals by themselves may use the reserve of room on the
  /// disk; as long as that is used up, insertions fail.
  [[nodiscard]] outcome<std::vector<applied>> apply(std::span<const change> changes);

  /// Lets the database grow to `pages` of 4 KiB and no further; beyond, it fails as on a full disk.
  void limit_pages(std::int64_t pages);

 private:
  [[nodiscard]] std::vector<applied> apply_all(std::span<const change> changes);
  [[nodiscard]] applied apply_one(const insertion& wanted);
  [[nodiscard]] applied apply_one(const removal& wanted);
  void roll_back() noexcept;

  disk_reserve reserve_;
  sqlite::connection database_;
  sqlite::statement begin_;
  sqlite::statement commit_;
  sqlite::statement roll_back_;
  sqlite::statement insert_;
  sqlite::statement find_by_contents_;
  sqlite::statement remove_;
};

/// One of those who read the catalogue, beside the writer and each other.
/// Thread: one at a time.
class catalogue_reader {
 public:
  static constexpr unsigned max_page_size = 100;

  explicit catalogue_reader(const std::filesystem::path& file);

  [[nodiscard]] outcome<std::optional<photo_record>> find(const photo_id& id);
  [[nodiscard]] outcome<std::optional<photo_record>> find_by_contents(std::string_view sha256);

  /// At most `size` photos, the newest ones or those that follow the page that gave `cursor`.
  [[nodiscard]] outcome<photo_page> page(std::string_view cursor, unsigned size);

  [[nodiscard]] outcome<std::vector<photo_id>> all_ids();

 private:
  sqlite::connection database_;
  sqlite::statement find_;
  sqlite::statement find_by_contents_;
  sqlite::statement page_;
  sqlite::statement all_ids_;
};

}  // namespace gallery
