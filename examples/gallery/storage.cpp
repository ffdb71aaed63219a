#include "storage.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include <weft/io/file.hpp>
#include <weft/task/task_state.hpp>

namespace gallery {
namespace {

constexpr std::string_view unfinished_suffix = ".new";
constexpr std::size_t shard_digits = 2;
constexpr unsigned shard_count = 256;

/// What the name of a file in a photo folder says.
struct file_name {
  photo_id photo;
  part which;
  bool finished;
};

std::optional<file_name> parse_file_name(std::string_view text) {
  const bool finished = !text.ends_with(unfinished_suffix);
  if (!finished) text.remove_suffix(unfinished_suffix.size());
  const auto photo = photo_id::parse(text.substr(0, photo_id::length));
  if (!photo || text.size() < photo_id::length + 1 || text[photo_id::length] != '.') return std::nullopt;
  const auto which =
      std::ranges::find(all_parts, text.substr(photo_id::length + 1), [](part each) { return name(each); });
  if (which == all_parts.end()) return std::nullopt;
  return file_name{*photo, *which, finished};
}

std::filesystem::path unfinished(std::filesystem::path path) { return path += unfinished_suffix; }

startup_failure cannot_write(const std::filesystem::path& folder, const std::error_code& why) {
  return {fmt::format("cannot write to the data folder {}: {}", folder.string(), why.message())};
}

std::error_code create_folders(const std::filesystem::path& folder) {
  std::error_code failed;
  const auto photos = folder / "photos";
  std::filesystem::create_directories(photos, failed);
  for (unsigned shard = 0; shard < shard_count && !failed; ++shard) {
    std::filesystem::create_directory(photos / fmt::format("{:02x}", shard), failed);
  }
  for (const auto& each : {photos, folder}) {
    if (failed) break;
    if (const auto synchronised = weft::sync_directory(each); !synchronised) failed = synchronised.error();
  }
  return failed;
}

}  // namespace

std::string_view name(part which) noexcept {
  switch (which) {
    case part::original: return "original";
    case part::large_thumbnail: return "1024";
    case part::small_thumbnail: return "256";
  }
  return "";
}

startup<storage> storage::open(const std::filesystem::path& folder) {
  if (const auto failed = create_folders(folder)) return std::unexpected(cannot_write(folder, failed));
  folder_lock lock(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.number() < 0) return std::unexpected(cannot_write(folder, {errno, std::system_category()}));
  if (::flock(lock.number(), LOCK_EX | LOCK_NB) != 0) {
    return std::unexpected(startup_failure{
        fmt::format("another gallery is running on the data folder {}: stop it or choose another folder with --data",
                    folder.string())});
  }
  return storage(folder, std::move(lock));
}

storage::folder_lock::~folder_lock() {
  if (number_ >= 0) ::close(number_);
}

storage::storage(std::filesystem::path folder, folder_lock lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}

std::filesystem::path storage::folder_of(const photo_id& photo) const {
  return folder_ / "photos" / photo.text().substr(0, shard_digits);
}

std::filesystem::path storage::path_of(const photo_id& photo, part which) const {
  return folder_of(photo) / fmt::format("{}.{}", photo.text(), name(which));
}

weft::result<void> storage::put(const photo_id& photo, std::span<const piece> pieces) const {
  weft::result<void> stored;
  for (const piece& each : pieces) {
    stored = create_durably(unfinished(path_of(photo, each.which)), each.contents);
    if (!stored) break;
  }
  for (const piece& each : pieces) {
    if (!stored) break;
    const auto path = path_of(photo, each.which);
    stored = weft::rename_file(unfinished(path), path);
  }
  if (stored) stored = weft::sync_directory(folder_of(photo));
  if (!stored) remove(photo);
  return stored;
}

weft::result<bytes> storage::get(const photo_id& photo, part which) const { return read_whole(path_of(photo, which)); }

void storage::remove(const photo_id& photo) const {
  const weft::cancellation_shield also_when_cancelled;
  for (const part which : all_parts) {
    const auto path = path_of(photo, which);
    // One that stays, for whatever reason, is deleted at the next start.
    static_cast<void>(weft::remove_file(path));
    static_cast<void>(weft::remove_file(unfinished(path)));
  }
}

storage::recovery storage::recover(std::span<const photo_id> known) const {
  recovery result;
  std::vector<std::uint8_t> parts_seen(known.size(), 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "photos")) {
    const auto file = parse_file_name(entry.path().filename().string());
    if (!file) continue;
    const auto row = std::ranges::lower_bound(known, file->photo);
    if (file->finished && row != known.end() && *row == file->photo) {
      parts_seen[static_cast<std::size_t>(row - known.begin())] |= 1u << static_cast<unsigned>(file->which);
    } else {
      result.deleted_files += std::filesystem::remove(entry.path()) ? 1 : 0;
    }
  }
  constexpr std::uint8_t complete = (1u << all_parts.size()) - 1;
  for (std::size_t index = 0; index < known.size(); ++index) {
    if (parts_seen[index] != complete) result.incomplete.push_back(known[index]);
  }
  return result;
}

}  // namespace gallery
