#include "disk_reserve.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>
#include <utility>

namespace gallery {
namespace {

/// For a log that cannot begin anew before the pages that it added have a place in the database: far more than those.
constexpr std::uintmax_t reserve_bytes = 1 << 20;

std::uintmax_t size_of(const std::filesystem::path& file) noexcept {
  std::error_code missing;
  const auto size = std::filesystem::file_size(file, missing);
  return missing ? 0 : size;
}

}  // namespace

disk_reserve::disk_reserve(std::filesystem::path file)
    : file_(std::move(file)), held_(size_of(file_) == reserve_bytes) {}

bool disk_reserve::take() noexcept {
  if (held_) return true;
  const int opened = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (opened < 0) return false;
  held_ = ::posix_fallocate(opened, 0, reserve_bytes) == 0;
  ::close(opened);
  if (!held_) give_up();  // what it got of it
  return held_;
}

void disk_reserve::give_up() noexcept {
  ::unlink(file_.c_str());
  held_ = false;
}

}  // namespace gallery
