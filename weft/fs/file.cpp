#include <weft/fs/file.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <mutex>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <weft/task/detail/host.hpp>

#include "weft/io/detail/descriptor_table.hpp"
#include "weft/io/detail/reactor.hpp"

// A call under way has two ends that may come at once: the kernel's completion, on the ring's carrier or a worker, and
// the waiter's request to cancel. lock_ decides. completed() marks the call complete and tries to claim the wait; if
// the claim fails, the waiter was cancelled but has not asked yet, will find the call complete when it asks, and goes:
// the completion must not touch the operation after the lock. request_cancel() on a call that is not complete gives the
// node its new epoch, so that the completion's claim succeeds, and the waiter waits for it.

namespace weft {

// ---- system calls. Never inlined: see tcp.cpp

[[gnu::noinline]] result<std::uint64_t> file::size() const {
  detail::descriptor_use use{file_.get()};
  if (!use) return failure(errc::closed);
  struct stat found{};
  if (::fstat(use.number(), &found) != 0) return failure_from_errno(errno);
  return static_cast<std::uint64_t>(found.st_size);
}

namespace detail {

// What the page cache has needs no wait. Only if it has all that was asked for, or the file ends: a short answer may
// mean either that or that the rest is on the disk.
[[gnu::noinline]] bool file_operation::read_what_is_cached() noexcept {
  constexpr std::size_t most = 256 * 1024;  // copied in about 30 us: more would hold up the seat
  if (call.what != file_call::kind::read || call.bytes > most) return false;
#ifdef RWF_NOWAIT
  iovec into{.iov_base = call.buffer, .iov_len = call.bytes};
  auto got = ::preadv2(call.number, &into, 1, static_cast<off_t>(call.offset), RWF_NOWAIT);
  if (got != 0 && got != static_cast<ssize_t>(call.bytes)) return false;
  result_ = got;
  return true;
#else
  return false;
#endif
}

// ---- life

file_operation::file_operation(const file_call& what, const std::filesystem::path& path,
                               const std::filesystem::path& path_to)
    : file_request{what}, path_{path.native()}, path_to_{path_to.native()} {}

file_operation::file_operation(file_operation&& other) noexcept
    : file_request{other},
      file_{other.file_},
      path_{std::move(other.path_)},
      path_to_{std::move(other.path_to_)},
      in_use_{std::exchange(other.in_use_, false)},
      use_{std::move(other.use_)} {}

file_operation::~file_operation() {
  if (in_use_) file_.end_use();
  // Opened for somebody who has gone.
  if (call.what == file_call::kind::open && completed_ && result_ >= 0) ::close(static_cast<int>(result_));
}

bool file_operation::begin_use() noexcept {
  if (call.takes_path() || in_use_) return true;
  auto number = file_.begin_use();
  in_use_ = number.has_value();
  is_closed_ = !in_use_;
  if (in_use_) call.number = *number;
  return in_use_;
}

void file_operation::point_at_paths() noexcept {
  call.path = path_.c_str();
  call.path_to = path_to_.c_str();
}

result<std::size_t> file_operation::count() const {
  if (is_closed_) return failure(errc::closed);
  if (result_ < 0) return failure_from_errno(static_cast<int>(-result_));
  return static_cast<std::size_t>(result_);
}

std::optional<std::size_t> file_operation::moved_all_the_same() const noexcept {
  if (!completed_ || result_ < 0) return std::nullopt;
  return static_cast<std::size_t>(result_);
}

result<owned_descriptor> file_operation::opened() {
  auto number = count();
  if (!number) return std::unexpected{number.error()};
  result_ = -EBADF;  // handed over
  return descriptor::attach(static_cast<int>(*number));
}

// ---- the wait

bool file_operation::try_complete() {
  use_.check("file operation", this);
  use_.spend();
  return !begin_use() || read_what_is_cached();
}

void file_operation::make_in_place() noexcept {
  if (!begin_use()) return;
  point_at_paths();
  result_ = call.make();
  completed_ = true;
}

bool file_operation::arm(sched::wait_node& node) {
  if (!begin_use()) return node.claim();
  point_at_paths();
  node_ = &node;
  completed_ = cancel_asked_ = false;
  home_ = static_cast<task_base*>(node.task)->home_host();
  if (!home_) {  // an OS thread that does not wait by block()
    run();
    return false;
  }
  home_->external_work_started();
  io::reactor_here reactor;
  reactor_ = reactor.for_files();
  if (reactor_) {
    reactor_->submit(*this);
  } else {
    home_->blocking_pool().submit(*this);
  }
  return false;
}

void file_operation::run() noexcept { completed(call.make()); }

void file_operation::completed(std::int64_t outcome) noexcept {
  auto* home = home_;
  sched::wait_node* node = nullptr;
  bool asked = false;
  {
    std::lock_guard guard{lock_};
    result_ = outcome;
    completed_ = true;
    asked = cancel_asked_;
    if (node_->claim()) node = node_;
  }
  // Without the claim the operation may be gone. Nobody has asked to cancel it then: who asks renews the epoch.
  if (node) {
    if (asked && reactor_) reactor_->withdraw(*this);
    node->notify();
  }
  if (home) home->external_work_ended();
}

bool file_operation::finish() noexcept {
  // A call that a signal cut short, unless that was our wish. A ring gives up what it has no thread for, and signals
  // keep it from starting one.
  return is_closed_ || !interrupted() || cancel_asked_;
}

bool file_operation::request_cancel(sched::wait_node& node, std::uint64_t epoch) noexcept {
  std::lock_guard guard{lock_};
  if (completed_) return true;
  node.epoch = epoch;
  cancel_asked_ = true;
  if (reactor_) reactor_->cancel(*this);
  return false;
}

bool file_operation::interrupted() const noexcept { return result_ == -ECANCELED || result_ == -EINTR; }

}  // namespace detail

// ---- files

namespace {

using detail::file_call;

int flags_of(const open_options& options) {
  int flags = O_CLOEXEC;
  switch (options.access) {
    case file_access::read: flags |= O_RDONLY; break;
    case file_access::write: flags |= O_WRONLY; break;
    case file_access::read_write: flags |= O_RDWR; break;
    case file_access::append: flags |= O_WRONLY | O_APPEND; break;
  }
  switch (options.creation) {
    case file_creation::never: break;
    case file_creation::when_missing: flags |= O_CREAT; break;
    case file_creation::always_new: flags |= O_CREAT | O_EXCL; break;
    case file_creation::emptied: flags |= O_CREAT | O_TRUNC; break;
  }
  return flags;
}

file_call transfer(file_call::kind what, const std::byte* bytes, std::size_t count, std::uint64_t offset) {
  constexpr std::size_t most = std::size_t{1} << 30;  // what a ring can count
  return {.what = what, .buffer = const_cast<std::byte*>(bytes), .bytes = std::min(count, most), .offset = offset};
}

}  // namespace

file::open_operation file::async_open(const std::filesystem::path& path, const open_options& options) {
  return {{.what = file_call::kind::open, .flags = flags_of(options), .permissions = options.permissions}, path};
}

result<file> file::open(const std::filesystem::path& path, const open_options& options) {
  return await(async_open(path, options));
}

transfer_operation file::async_read_at(std::span<std::byte> into, std::uint64_t offset) noexcept {
  return {transfer(file_call::kind::read, into.data(), into.size(), offset), file_.get()};
}

result<std::size_t> file::read_at(std::span<std::byte> into, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < into.size()) {
    auto got = await(async_read_at(into.subspan(done), offset + done));
    if (!got) return got;
    if (*got == 0) break;
    done += *got;
  }
  return done;
}

transfer_operation file::async_write_at(std::span<const std::byte> from, std::uint64_t offset) noexcept {
  return {transfer(file_call::kind::write, from.data(), from.size(), offset), file_.get()};
}

result<void> file::write_all_at(std::span<const std::byte> from, std::uint64_t offset) {
  while (!from.empty()) {
    auto written = write_at(from, offset);
    if (!written) return std::unexpected{written.error()};
    from = from.subspan(*written);
    offset += *written;
  }
  return {};
}

transfer_operation file::async_append(std::span<const std::byte> from) noexcept {
  return {transfer(file_call::kind::append, from.data(), from.size(), 0), file_.get()};
}

file_change_operation file::async_sync() noexcept { return {{.what = file_call::kind::sync}, file_.get()}; }

file_change_operation async_rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  return {{.what = file_call::kind::rename}, from, to};
}
result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  return await(async_rename_file(from, to));
}

file_change_operation async_remove_file(const std::filesystem::path& path) {
  return {{.what = file_call::kind::remove}, path};
}
result<void> remove_file(const std::filesystem::path& path) { return await(async_remove_file(path)); }

result<void> sync_directory(const std::filesystem::path& path) {
  auto folder = file::open(path);
  if (!folder) return std::unexpected{folder.error()};
  return folder->sync();
}

}  // namespace weft
