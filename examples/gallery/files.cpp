#include "files.hpp"

#include <weft/fs/file.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/detail/task_base.hpp>

namespace gallery {

weft::result<void> create_durably(const std::filesystem::path& path, std::span<const std::byte> contents) {
  auto file = weft::file::open(
      path, {.access = weft::file_access::write, .creation = weft::file_creation::always_new, .permissions = 0600});
  if (!file) return std::unexpected(file.error());
  auto stored = file->write_all_at(contents, 0);
  if (stored) stored = file->sync();
  if (!stored) {
    const weft::cancellation_shield also_when_cancelled;
    static_cast<void>(weft::remove_file(path));
  }
  return stored;
}

weft::result<bytes> read_whole(const std::filesystem::path& path) {
  auto file = weft::file::open(path);
  if (!file) return std::unexpected(file.error());
  const auto size = file->size();
  if (!size) return std::unexpected(size.error());
  bytes contents(*size);
  const auto filled = file->read_at(contents, 0);
  if (!filled) return std::unexpected(filled.error());
  contents.resize(*filled);
  return contents;
}

}  // namespace gallery
