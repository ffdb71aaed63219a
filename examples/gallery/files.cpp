#include "files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace gallery {
namespace {

weft::result<descriptor> open_file(const std::filesystem::path& path, int flags, mode_t mode = 0) {
  while (true) {
    const int number = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (number >= 0) return descriptor(number);
    if (errno != EINTR) return weft::failure_from_errno(errno);
  }
}

weft::result<void> write_all(const descriptor& file, std::span<const std::byte> contents) {
  while (!contents.empty()) {
    const ssize_t written = ::write(file.number(), contents.data(), contents.size());
    if (written >= 0) {
      contents = contents.subspan(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return weft::failure_from_errno(errno);
    }
  }
  return {};
}

weft::result<void> synchronise(const descriptor& file) {
  if (::fsync(file.number()) == 0) return {};
  return weft::failure_from_errno(errno);
}

}  // namespace

descriptor::~descriptor() {
  if (number_ >= 0) ::close(number_);
}

weft::result<void> create_durably(const std::filesystem::path& path, std::span<const std::byte> contents,
                                  readable_by who) {
  const auto file = open_file(path, O_WRONLY | O_CREAT | O_EXCL, who == readable_by::owner ? 0600 : 0640);
  if (!file) return std::unexpected(file.error());
  auto stored = write_all(*file, contents);
  if (stored) stored = synchronise(*file);
  if (!stored) ::unlink(path.c_str());
  return stored;
}

weft::result<bytes> read_whole(const std::filesystem::path& path) {
  const auto file = open_file(path, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  struct stat status{};
  if (::fstat(file->number(), &status) != 0) return weft::failure_from_errno(errno);
  if (!S_ISREG(status.st_mode)) return weft::failure_from_errno(EISDIR);
  bytes contents(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (filled < contents.size()) {
    const ssize_t got = ::read(file->number(), contents.data() + filled, contents.size() - filled);
    if (got == 0) break;
    if (got > 0) {
      filled += static_cast<std::size_t>(got);
    } else if (errno != EINTR) {
      return weft::failure_from_errno(errno);
    }
  }
  contents.resize(filled);
  return contents;
}

weft::result<void> synchronise_directory(const std::filesystem::path& directory) {
  const auto opened = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (!opened) return std::unexpected(opened.error());
  return synchronise(*opened);
}

}  // namespace gallery
