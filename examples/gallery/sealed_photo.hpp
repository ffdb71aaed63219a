#pragma once

#include <filesystem>
#include <optional>
#include <span>

#include "catalogue.hpp"
#include "storage.hpp"
#include "vault.hpp"

namespace gallery {

// How a photo lies in its sealed files. Each file is sealed with its photo's id and its own part as the label, so that
// none can be exchanged for another. Behind the original lies a record of what the catalogue knows of the photo, from
// which a lost catalogue is made anew:
//
//     <id>.original = sealed original | sealed record | length of the sealed record (4 bytes, little-endian) | mark

/// The contents of an original's file.
[[nodiscard]] bytes seal_original(const vault& sealing, const photo_record& photo, std::span<const std::byte> original);

/// The contents of a thumbnail's file.
[[nodiscard]] bytes seal_thumbnail(const vault& sealing, const photo_id& photo, part which,
                                   std::span<const std::byte> jpeg);

/// What a file holds, without the record. Nothing if a bit of it was changed, or if it is another photo's file.
[[nodiscard]] std::optional<bytes> unseal(const vault& sealing, const photo_id& photo, part which,
                                          std::span<const std::byte> file);

/// The record in an original's file. Where the file has none, made from the original itself, with the file's time.
/// Nothing where the file is damaged, cut short or another photo's.
[[nodiscard]] std::optional<photo_record> read_record(const vault& sealing, const photo_id& photo,
                                                      const std::filesystem::path& file);

/// Whether `file` was sealed with this key.
[[nodiscard]] bool is_sealed_with(const vault& sealing, const stored_file& file);

}  // namespace gallery
