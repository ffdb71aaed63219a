#include "storage.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include <weft/fs/file.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/detail/task_base.hpp>

#include "vault.hpp"

namespace gallery {
namespace {

constexpr std::string_view unfinished_suffix = ".new";
constexpr std::string_view going_suffix = ".gone";
constexpr std::size_t shard_digits = 2;
constexpr unsigned shard_count = 256;
constexpr std::size_t run_digits = 16;

/// What the name of a file in a photo folder says.
struct file_name {
  photo_id photo;
  part which;
  std::string_view mark;  ///< "", or whatever follows the part
};

std::optional<file_name> parse_file_name(std::string_view text) {
  const auto photo = photo_id::parse(text.substr(0, photo_id::length));
  if (!photo || text.size() < photo_id::length + 1 || text[photo_id::length] != '.') return std::nullopt;
  const auto rest = text.substr(photo_id::length + 1);
  const auto part_name = rest.substr(0, rest.find('.'));
  const auto which = std::ranges::find(all_parts, part_name, [](part each) { return name(each); });
  if (which == all_parts.end()) return std::nullopt;
  const auto mark = rest.substr(part_name.size());
  if (!mark.empty() && !mark.ends_with(unfinished_suffix) && !mark.ends_with(going_suffix)) return std::nullopt;
  return file_name{*photo, *which, mark};
}

std::string mark_of(std::string_view run, std::string_view suffix) { return fmt::format(".{}{}", run, suffix); }

stored_file::state state_of(std::string_view mark, std::string_view last_run) {
  using enum stored_file::state;
  if (mark.empty()) return whole;
  if (last_run.empty()) return strange;
  if (mark == mark_of(last_run, unfinished_suffix)) return begun;
  return mark == mark_of(last_run, going_suffix) ? going : strange;
}

std::string new_run() {
  std::array<std::byte, run_digits / 2> fresh;
  fill_randomly(fresh);
  return hexadecimal(fresh);
}

/// The number in the run file; "" where there is none that makes sense.
std::string read_run(const std::filesystem::path& file) {
  const auto contents = read_whole(file);
  if (!contents || contents->size() != run_digits) return "";
  const std::string text(reinterpret_cast<const char*>(contents->data()), contents->size());
  const auto is_digit = [](char each) { return (each >= '0' && each <= '9') || (each >= 'a' && each <= 'f'); };
  return std::ranges::all_of(text, is_digit) ? text : "";
}

/// In place: that needs no room on the disk.
bool write_run(const std::filesystem::path& file, std::string_view run) {
  const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (opened < 0) return false;
  const bool written =
      ::pwrite(opened, run.data(), run.size(), 0) == static_cast<ssize_t>(run.size()) && ::fsync(opened) == 0;
  ::close(opened);
  return written;
}

/// A descriptor of `path` that holds its lock; -1 with errno otherwise.
int open_locked(const std::filesystem::path& path, int flags) {
  const int opened = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (opened < 0 || ::flock(opened, LOCK_EX | LOCK_NB) == 0) return opened;
  const int failed = errno;
  ::close(opened);
  errno = failed;
  return -1;
}

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
  const auto refusal = [&](int failed) {
    if (failed != EWOULDBLOCK) return cannot_write(folder, {failed, std::system_category()});
    return startup_failure{
        fmt::format("another gallery is running on the data folder {}: stop it or choose another folder with --data",
                    folder.string())};
  };
  // The folder's own lock holds whatever becomes of the file in it. Not every file system locks folders.
  folder_lock whole(open_locked(folder, O_RDONLY | O_DIRECTORY));
  if (whole.number() < 0 && errno == EWOULDBLOCK) return std::unexpected(refusal(errno));
  folder_lock file(open_locked(folder / "lock", O_RDWR | O_CREAT));
  if (file.number() < 0) return std::unexpected(refusal(errno));
  return storage(folder, {std::move(whole), std::move(file)});
}

storage::folder_lock::~folder_lock() {
  if (number_ >= 0) ::close(number_);
}

storage::storage(std::filesystem::path folder, std::array<folder_lock, 2> locks)
    : folder_(std::move(folder)), locks_(std::move(locks)), run_(read_run(run_file())) {}

void storage::begin_run() {
  auto fresh = new_run();
  // A folder without a number of its own needs one. Elsewhere the old one does as well: nothing bears it any more.
  if (write_run(run_file(), fresh) || run_.empty()) run_ = std::move(fresh);
}

std::filesystem::path storage::folder_of(const photo_id& photo) const {
  return folder_ / "photos" / photo.text().substr(0, shard_digits);
}

std::filesystem::path storage::path_of(const photo_id& photo, part which) const {
  return folder_of(photo) / fmt::format("{}.{}", photo.text(), name(which));
}

std::filesystem::path storage::unfinished(const photo_id& photo, part which) const {
  return path_of(photo, which) += mark_of(run_, unfinished_suffix);
}

std::filesystem::path storage::going(const photo_id& photo) const {
  return path_of(photo, part::original) += mark_of(run_, going_suffix);
}

weft::result<void> storage::put(const photo_id& photo, std::span<const piece> pieces) const {
  weft::result<void> stored;
  try {
    stored = write(photo, pieces);
  } catch (const std::bad_alloc&) {
    stored = std::unexpected(std::make_error_code(std::errc::not_enough_memory));
  }
  if (!stored) remove(photo);
  return stored;
}

weft::result<void> storage::write(const photo_id& photo, std::span<const piece> pieces) const {
  weft::result<void> stored;
  for (const piece& each : pieces) {
    stored = create_durably(unfinished(photo, each.which), each.contents);
    if (!stored) break;
  }
  const auto give_name = [&](const piece& each) {
    if (stored) stored = weft::rename_file(unfinished(photo, each.which), path_of(photo, each.which));
  };
  // The original last: where it is, all are.
  for (const piece& each : pieces) {
    if (each.which != part::original) give_name(each);
  }
  for (const piece& each : pieces) {
    if (each.which == part::original) give_name(each);
  }
  if (stored) stored = weft::sync_directory(folder_of(photo));
  return stored;
}

weft::result<bytes> storage::get(const photo_id& photo, part which) const { return read_whole(path_of(photo, which)); }

void storage::remove(const photo_id& photo) const {
  const weft::cancellation_shield also_when_cancelled;
  // Without its original there is no photo any more, whatever else stays. What stays is deleted at the next start.
  const auto original = path_of(photo, part::original);
  if (!weft::rename_file(original, going(photo))) static_cast<void>(weft::remove_file(original));
  for (const part which : all_parts) {
    if (which != part::original) static_cast<void>(weft::remove_file(path_of(photo, which)));
    static_cast<void>(weft::remove_file(unfinished(photo, which)));
  }
  static_cast<void>(weft::remove_file(going(photo)));
  static_cast<void>(weft::sync_directory(folder_of(photo)));
}

weft::result<void> storage::check_writable() const {
  if (::access((folder_ / "photos").c_str(), W_OK | X_OK) != 0) return weft::failure_from_errno(errno);
  return {};
}

weft::result<void> storage::try_to_write() const {
  static constexpr std::array contents{std::byte{'\n'}};
  // One name for each try: several may be under way.
  const auto path = folder_ / fmt::format("trial.{}", new_run());
  auto written = create_durably(path, contents);
  if (written) written = weft::remove_file(path);
  return written;
}

std::vector<stored_file> storage::survey() const {
  std::vector<stored_file> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "photos")) {
    const auto text = entry.path().filename().string();
    const auto file = parse_file_name(text);
    if (!file || !entry.is_regular_file()) continue;
    auto state = state_of(file->mark, run_);
    // Where a photo's files are not looked for, they are none.
    if (entry.path().parent_path() != folder_of(file->photo)) state = stored_file::state::strange;
    found.push_back({file->photo, file->which, state, entry.path()});
  }
  std::ranges::sort(found, {}, &stored_file::photo);
  return found;
}

bool storage::set_aside(const std::filesystem::path& file) const {
  std::error_code failed;
  std::filesystem::create_directory(set_aside_folder(), failed);
  if (failed) return false;
  const auto wanted = set_aside_folder() / file.filename();
  auto free = wanted;
  for (unsigned number = 2; std::filesystem::exists(free, failed); ++number) {
    free = wanted;
    free += fmt::format(".{}", number);
  }
  std::filesystem::rename(file, free, failed);
  return !failed;
}

}  // namespace gallery
