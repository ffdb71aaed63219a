#include "library.hpp"

#include <array>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <weft/compute/compute.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/detail/task_base.hpp>

#include "sealed_photo.hpp"

namespace gallery {
namespace {

problem no_such_photo() {
  return {404, "no_such_photo", "there is no photo with this id: GET /photos lists those that there are"};
}

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

/// Whether the key opens what is there. A few files may be damaged; all of them are not.
contents_by_key try_on_files(const vault& sealing, std::span<const stored_file> found) {
  constexpr std::size_t most_tries = 32;
  if (found.empty()) return contents_by_key::none;
  std::size_t tries = 0;
  // Small files first.
  for (const part which : {part::small_thumbnail, part::large_thumbnail, part::original}) {
    for (const auto& each : found) {
      if (each.which != which) continue;
      if (is_sealed_with(sealing, each)) return contents_by_key::opened;
      if (++tries == most_tries) return contents_by_key::not_opened;
    }
  }
  return contents_by_key::not_opened;
}

}  // namespace

startup<std::unique_ptr<library>> library::open(const settings& wanted) {
  try {
    auto files = storage::open(wanted.folder);
    if (!files) return std::unexpected(std::move(files.error()));
    auto found = files->survey();
    auto sealing = open_vault(wanted.folder, wanted.key_file.empty() ? files->key_file() : wanted.key_file,
                              [&](const vault& with) { return try_on_files(with, found); });
    if (!sealing) return std::unexpected(std::move(sealing.error()));
    const auto catalogue = prepare_catalogue(files->catalogue_file());
    if (!catalogue) return std::unexpected(catalogue.error());
    auto recovered = recover(*files, *sealing, *catalogue, std::move(found));
    if (!recovered) return std::unexpected(startup_failure{recovered.error().message});
    files->begin_run();
    return std::unique_ptr<library>(new library(std::move(*files), std::move(*sealing), std::move(*recovered), wanted));
  } catch (const std::exception& failed) {
    return std::unexpected(
        startup_failure{fmt::format("cannot open the data folder {}: {}", wanted.folder.string(), failed.what())});
  }
}

library::library(storage files, vault sealing, recovery recovered, const settings& wanted)
    : files_(std::move(files)),
      vault_(std::move(sealing)),
      recovered_(std::move(recovered)),
      disk_(wanted.tell_operator),
      catalogue_damage_(wanted.tell_operator),
      catalogue_(files_.catalogue_file(), wanted.catalogue_readers) {}

/// Tells the operator of what is no client's fault, no lack of room and no lack of patience.
template <class T>
outcome<T> library::noted(outcome<T> what) {
  if (!what && what.error().status == 500) disk_.failed(what.error().code, what.error().message);
  return what;
}

outcome<applied> library::insert(const photo_record& photo) try {
  return noted(catalogue_.apply(insertion{photo}));
} catch (const std::bad_alloc&) {
  return std::unexpected(no_memory());  // it was not handed over: what may come after that takes none
}

outcome<added_photo> library::add(const photo_record& photo, std::span<const std::byte> original,
                                  const rendition& rendered) {
  const auto sealed = weft::compute([&] {
    return std::array{seal_original(vault_, photo, original),
                      seal_thumbnail(vault_, photo.id, part::large_thumbnail, rendered.thumbnails[0].jpeg),
                      seal_thumbnail(vault_, photo.id, part::small_thumbnail, rendered.thumbnails[1].jpeg)};
  });
  const std::array pieces{piece{part::original, sealed[0]}, piece{part::large_thumbnail, sealed[1]},
                          piece{part::small_thumbnail, sealed[2]}};

  // Once begun it is finished, whoever hung up meanwhile.
  const weft::cancellation_shield until_done;
  const auto stored = files_.put(photo.id, pieces);
  if (!stored) return noted<added_photo>(std::unexpected(storing_failed(stored.error())));
  const auto inserted = insert(photo);
  const bool is_new = inserted && inserted->changed;
  if (!is_new) files_.remove(photo.id);
  if (!inserted) return std::unexpected(inserted.error());
  disk_.works();
  return added_photo{*inserted->photo, is_new};
}

outcome<photo_record> library::find(const photo_id& id) {
  auto found = noted(catalogue_.find(id));
  if (!found) return std::unexpected(std::move(found.error()));
  if (!*found) return std::unexpected(no_such_photo());
  return std::move(**found);
}

outcome<std::optional<photo_record>> library::find_by_contents(std::string_view sha256) {
  return noted(catalogue_.find_by_contents(sha256));
}

outcome<photo_page> library::page(std::string_view cursor, unsigned size) {
  auto page = noted(catalogue_.page(cursor, size));
  if (page && page->damaged_rows > 0) {
    catalogue_damage_.failed("rows of the catalogue make no sense and are left out of lists",
                             "stop the gallery and start it again, so that they are made anew from the photos' files");
  }
  return page;
}

outcome<photo_contents> library::read(const photo_id& id, part which) {
  auto photo = find(id);
  if (!photo) return std::unexpected(std::move(photo.error()));
  const auto sealed = files_.get(id, which);
  if (!sealed) {
    // Deleted since it was found, or really lost?
    if (auto still_there = find(id); !still_there) return std::unexpected(std::move(still_there.error()));
    return std::unexpected(reading_failed(sealed.error()));
  }
  auto contents = weft::compute([&] { return unseal(vault_, id, which, *sealed); });
  if (!contents) return std::unexpected(photo_damaged());
  return photo_contents{std::move(*photo), std::move(*contents)};
}

outcome<void> library::remove(const photo_id& id) {
  const auto removed = noted(catalogue_.apply(removal{id}));
  if (!removed) return std::unexpected(removed.error());
  if (!removed->changed) return std::unexpected(no_such_photo());
  files_.remove(id);
  return {};
}

outcome<void> library::check_health() {
  const auto readable = page("", 1);
  if (!readable) return std::unexpected(readable.error());
  const bool was_well = !disk_.current();
  if (const auto writable = was_well ? files_.check_writable() : files_.try_to_write(); !writable) {
    // A full disk is told to the clients whose photos it has no room for; what is there is served.
    const auto why = storing_failed(writable.error());
    if (why.status == 500) disk_.failed(why.code, why.message);
  } else if (!was_well) {
    disk_.works();
  }
  if (auto what = disk_.current()) return std::unexpected(problem{503, "unhealthy", std::move(*what)});
  return {};
}

}  // namespace gallery
