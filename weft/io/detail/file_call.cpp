#include <weft/io/detail/file_call.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include "weft/io/detail/descriptor_table.hpp"

namespace weft::detail {
namespace {

/// The most that one system call copies. A kernel that does not preempt itself (PREEMPT_NONE, which servers run) holds
/// the core for the whole call: 10 ms for 5 MB of fresh page cache, measured, in which no seat ran there. Between
/// pieces it schedules.
constexpr std::size_t most_in_one_copy = 256 * 1024;

/// Whether a call with an offset failed because the file is a pipe or the like, where a ring ignores the offset.
[[nodiscard]] bool has_no_offsets(ssize_t outcome) noexcept { return outcome < 0 && errno == ESPIPE; }

/// Carries `bytes` by calls of `copy(done, bytes of the piece)`. Ends at a short piece; an error after some is left to
/// the next call, as with one system call.
template <class Copy>
[[nodiscard]] std::int64_t copy_in_pieces(const void* memory, std::size_t bytes, Copy copy) noexcept {
  buffer_on_parked_stack buffer{memory, bytes};
  std::size_t done = 0;
  do {
    auto piece = std::min(bytes - done, most_in_one_copy);
    std::int64_t outcome = copy(done, piece);
    if (outcome < 0) {
      if (errno == EINTR || (errno == EFAULT && buffer.is_back())) continue;
      return done > 0 ? static_cast<std::int64_t>(done) : -errno;
    }
    done += static_cast<std::size_t>(outcome);
    if (static_cast<std::size_t>(outcome) < piece) break;
  } while (done < bytes);
  return static_cast<std::int64_t>(done);
}

}  // namespace

[[gnu::noinline]] std::int64_t file_call::make() const noexcept {
  switch (what) {
    case kind::read:
      return copy_in_pieces(buffer, bytes, [&](std::size_t done, std::size_t piece) {
        auto got = ::pread(number, buffer + done, piece, static_cast<off_t>(offset + done));
        return has_no_offsets(got) ? ::read(number, buffer + done, piece) : got;
      });
    case kind::write:
      return copy_in_pieces(buffer, bytes, [&](std::size_t done, std::size_t piece) {
        auto put = ::pwrite(number, buffer + done, piece, static_cast<off_t>(offset + done));
        return has_no_offsets(put) ? ::write(number, buffer + done, piece) : put;
      });
    default: break;
  }
  std::int64_t outcome = -1;
  buffer_on_parked_stack memory{buffer, bytes};
  do {
    switch (what) {
      case kind::open: outcome = ::open(path, flags, permissions); break;
      // In one call, so that what others append does not come between.
      case kind::append: outcome = ::write(number, buffer, bytes); break;
      case kind::sync: outcome = ::fsync(number); break;
      case kind::rename: outcome = std::rename(path, path_to); break;
      case kind::remove: outcome = ::unlink(path); break;
      case kind::read:
      case kind::write: break;  // done above
    }
  } while (outcome < 0 && (errno == EINTR || (errno == EFAULT && memory.is_back())));
  return outcome < 0 ? -errno : outcome;
}

}  // namespace weft::detail
