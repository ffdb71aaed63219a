#include "library.hpp"

#include <array>
#include <exception>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <weft/parallel/compute.hpp>
#include <weft/task/task_state.hpp>

namespace gallery {
namespace {

problem no_such_photo() {
  return {404, "no_such_photo", "there is no photo with this id: GET /photos lists those that there are"};
}

/// Sealed files cannot be exchanged for each other: each is sealed with its photo's id and its own part in it.
std::string label(const photo_id& id, part which) { return fmt::format("{}.{}", id.text(), name(which)); }

bool is_shortage(const std::error_code& why) {
  return why == std::errc::too_many_files_open || why == std::errc::too_many_files_open_in_system ||
         why == std::errc::not_enough_memory;
}

problem overloaded(const std::error_code& why) {
  return {
      503, "overloaded",
      fmt::format("the server is serving more than it can at the moment ({}): try again in a while", why.message())};
}

problem storing_failed(const std::error_code& why) {
  const bool full = why == std::errc::no_space_on_device || why == std::errc::file_too_large ||
                    why == std::error_code(EDQUOT, std::system_category());
  if (full) return disk_full();
  if (is_shortage(why)) return overloaded(why);
  return {500, "storing_failed",
          fmt::format("the server could not write the photo ({}): try again, and tell the operator if it stays",
                      why.message())};
}

problem photo_damaged() {
  return {500, "photo_damaged", "the photo's file on the server is missing or damaged: tell the operator"};
}

problem reading_failed(const std::error_code& why) {
  if (why == std::errc::no_such_file_or_directory) return photo_damaged();
  if (is_shortage(why)) return overloaded(why);
  return {500, "reading_failed",
          fmt::format("the server could not read the photo ({}): try again, and tell the operator if it stays",
                      why.message())};
}

outcome<std::vector<photo_id>> known_photos(const storage& files) {
  return catalogue_reader(files.catalogue_file()).all_ids();
}

}  // namespace

startup<std::unique_ptr<library>> library::open(const settings& wanted) {
  try {
    auto files = storage::open(wanted.folder);
    if (!files) return std::unexpected(std::move(files.error()));
    auto sealing = open_vault(wanted.folder, wanted.key_file.empty() ? files->key_file() : wanted.key_file);
    if (!sealing) return std::unexpected(std::move(sealing.error()));
    if (auto ready = prepare_catalogue(files->catalogue_file()); !ready) {
      return std::unexpected(std::move(ready.error()));
    }
    const auto known = known_photos(*files);
    if (!known) return std::unexpected(startup_failure{known.error().message});
    auto recovered = files->recover(*known);
    return std::unique_ptr<library>(
        new library(std::move(*files), std::move(*sealing), std::move(recovered), wanted.catalogue_readers));
  } catch (const std::exception& failed) {
    return std::unexpected(
        startup_failure{fmt::format("cannot open the data folder {}: {}", wanted.folder.string(), failed.what())});
  }
}

library::library(storage files, vault sealing, storage::recovery recovered, std::size_t catalogue_readers)
    : files_(std::move(files)),
      vault_(std::move(sealing)),
      recovered_(std::move(recovered)),
      catalogue_(files_.catalogue_file(), catalogue_readers) {}

outcome<added_photo> library::add(const photo_record& photo, std::span<const std::byte> original,
                                  const rendition& rendered) {
  const std::array contents{piece{part::original, original}, piece{part::large_thumbnail, rendered.thumbnails[0].jpeg},
                            piece{part::small_thumbnail, rendered.thumbnails[1].jpeg}};
  const auto sealed = weft::compute([&] {
    std::array<bytes, all_parts.size()> results;
    for (std::size_t index = 0; index < contents.size(); ++index) {
      results[index] = vault_.seal(label(photo.id, contents[index].which), contents[index].contents);
    }
    return results;
  });
  auto pieces = contents;
  for (std::size_t index = 0; index < pieces.size(); ++index) pieces[index].contents = sealed[index];

  // Once begun it is finished, whoever hung up meanwhile.
  const weft::cancellation_shield until_done;
  const auto stored = files_.put(photo.id, pieces);
  if (!stored) return std::unexpected(storing_failed(stored.error()));
  const auto inserted = catalogue_.apply(insertion{photo});
  const bool is_new = inserted && inserted->changed;
  if (!is_new) files_.remove(photo.id);
  if (!inserted) return std::unexpected(inserted.error());
  return added_photo{*inserted->photo, is_new};
}

outcome<photo_record> library::find(const photo_id& id) {
  auto found = catalogue_.find(id);
  if (!found) return std::unexpected(std::move(found.error()));
  if (!*found) return std::unexpected(no_such_photo());
  return std::move(**found);
}

outcome<std::optional<photo_record>> library::find_by_contents(std::string_view sha256) {
  return catalogue_.find_by_contents(sha256);
}

outcome<photo_page> library::page(std::string_view cursor, unsigned size) { return catalogue_.page(cursor, size); }

outcome<photo_contents> library::read(const photo_id& id, part which) {
  auto photo = find(id);
  if (!photo) return std::unexpected(std::move(photo.error()));
  const auto sealed = files_.get(id, which);
  if (!sealed) {
    // Deleted since it was found, or really lost?
    if (auto still_there = find(id); !still_there) return std::unexpected(std::move(still_there.error()));
    return std::unexpected(reading_failed(sealed.error()));
  }
  auto contents = weft::compute([&] { return vault_.unseal(label(id, which), *sealed); });
  if (!contents) return std::unexpected(photo_damaged());
  return photo_contents{std::move(*photo), std::move(*contents)};
}

outcome<void> library::remove(const photo_id& id) {
  const auto removed = catalogue_.apply(removal{id});
  if (!removed) return std::unexpected(removed.error());
  if (!removed->changed) return std::unexpected(no_such_photo());
  files_.remove(id);
  return {};
}

}  // namespace gallery
