#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <weft/base/accounting.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/io/detail/descriptor.hpp>
#include <weft/io/detail/file_call.hpp>
#include <weft/task/detail/blocking_pool.hpp>
#include <weft/task/operation.hpp>

namespace weft {

namespace io {
class reactor;
}

namespace detail {

/// The part that all operations on files share: one system call, made by the seat's reactor where that does files,
/// otherwise by a thread for calls that block; in place on a plain OS thread. While it is under way, the kernel owns
/// its buffer, and a wait that is cancelled or timed out asks it to end and waits until it has.
class file_operation : public file_request, blocking_job {
 public:
  static constexpr wait_kind kind = wait_kind::file;

  [[nodiscard]] bool try_complete();
  [[nodiscard]] bool arm(sched::wait_node& node);
  void disarm(sched::wait_node&) noexcept {}
  [[nodiscard]] bool finish() noexcept;
  [[nodiscard]] bool request_cancel(sched::wait_node& node, std::uint64_t epoch) noexcept;
  [[nodiscard]] bool interrupted() const noexcept;

 protected:
  file_operation(const file_call& what, descriptor_reference file) noexcept : file_request{what}, file_{file} {}
  file_operation(const file_call& what, const std::filesystem::path& path, const std::filesystem::path& path_to = {});
  file_operation(file_operation&& other) noexcept;
  ~file_operation();

  void make_in_place() noexcept;
  [[nodiscard]] result<std::size_t> count() const;
  [[nodiscard]] result<owned_descriptor> opened();
  [[nodiscard]] std::optional<std::size_t> moved_all_the_same() const noexcept;

 private:
  [[nodiscard]] bool begin_use() noexcept;
  void point_at_paths() noexcept;
  [[nodiscard]] bool read_what_is_cached() noexcept;
  void run() noexcept override;
  void completed(std::int64_t result) noexcept override;

  descriptor_reference file_;
  std::string path_, path_to_;
  bool in_use_ = false;
  bool is_closed_ = false;
  host* home_ = nullptr;
  io::reactor* reactor_ = nullptr;  // null: a thread makes the call

  base::spin_lock lock_;  // guards the rest from arm() on, and the epoch of the node
  sched::wait_node* node_ = nullptr;
  std::int64_t result_ = 0;
  bool completed_ = false;
  bool cancel_asked_ = false;
  single_use use_;
};

}  // namespace detail

/// A read, write or append: how many bytes it moved. See file.
class transfer_operation final : public detail::file_operation {
 public:
  using value_type = result<std::size_t>;
  transfer_operation(const detail::file_call& what, detail::descriptor_reference file) noexcept
      : file_operation{what, file} {}

  [[nodiscard]] value_type take() const { return count(); }
  [[nodiscard]] static value_type fail(errc reason) { return failure(reason); }
  [[nodiscard]] value_type block(time_point) {
    make_in_place();
    return take();
  }

  /// After a select or a race that it lost, of one given as an lvalue: how many bytes it has moved all the same. None
  /// when it was ended before, or has failed.
  [[nodiscard]] std::optional<std::size_t> moved() const noexcept { return moved_all_the_same(); }
};

/// A change without a value: a sync, rename or removal.
class file_change_operation final : public detail::file_operation {
 public:
  using value_type = result<void>;
  file_change_operation(const detail::file_call& what, detail::descriptor_reference file) noexcept
      : file_operation{what, file} {}
  file_change_operation(const detail::file_call& what, const std::filesystem::path& path,
                        const std::filesystem::path& path_to = {})
      : file_operation{what, path, path_to} {}

  [[nodiscard]] value_type take() const {
    auto made = count();
    if (!made) return std::unexpected{made.error()};
    return {};
  }
  [[nodiscard]] static value_type fail(errc reason) { return failure(reason); }
  [[nodiscard]] value_type block(time_point) {
    make_in_place();
    return take();
  }
};

enum class file_access : std::uint8_t {
  read,
  write,
  read_write,
  append,  ///< writes at the end, wherever that is by then
};

enum class file_creation : std::uint8_t {
  never,         ///< it has to exist
  when_missing,  ///< opened as it is, or made
  always_new,    ///< it must not exist
  emptied,       ///< opened and emptied, or made
};

struct open_options {
  file_access access = file_access::read;
  file_creation creation = file_creation::never;
  /// Of a file that is made; what the process's umask forbids is taken away.
  unsigned permissions = 0644;
};

/// An open file.
/// Thread: any, for every member, at the same time; but for moving it. Reads and writes carry their offset, of which
///   pipes and the like take no notice.
/// Cancel: like a deadline, asks the system call to end early, and waits for it. If it did end early, nothing was done;
///   otherwise its outcome is returned as if there had been no request. The operations are cases of select, race and
///   when_all as well, and are left in the same way when they lose: what they did all the same is done.
class file {
 public:
  class open_operation;

  /// Not open: every call fails with errc::closed.
  file() noexcept = default;
  explicit file(detail::owned_descriptor opened) noexcept : file_{std::move(opened)} {}

  /// Parks.
  [[nodiscard]] static result<file> open(const std::filesystem::path& path, const open_options& options = {});
  [[nodiscard]] static open_operation async_open(const std::filesystem::path& path, const open_options& options = {});

  /// Reads from `offset` on until `into` is full or the file ends; how many bytes: 0 at the end.
  /// Parks, unless the system has the bytes in memory.
  [[nodiscard]] result<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset);
  /// One system call's worth of read_at(): it may stop short, but returns 0 at the end only.
  [[nodiscard]] transfer_operation async_read_at(std::span<std::byte> into, std::uint64_t offset) noexcept;

  /// Writes at least one byte of `from`.
  /// Parks.
  [[nodiscard]] result<std::size_t> write_at(std::span<const std::byte> from, std::uint64_t offset) {
    return await(async_write_at(from, offset));
  }
  [[nodiscard]] transfer_operation async_write_at(std::span<const std::byte> from, std::uint64_t offset) noexcept;

  /// Writes all of `from`. After a failure, some of it may be written.
  /// Parks.
  [[nodiscard]] result<void> write_all_at(std::span<const std::byte> from, std::uint64_t offset);

  /// Writes at least one byte of `from` at the end of a file that was opened for that (file_access::append).
  /// Parks.
  /// Order: one call's bytes stay together, however many append at the same time.
  [[nodiscard]] result<std::size_t> append(std::span<const std::byte> from) { return await(async_append(from)); }
  [[nodiscard]] transfer_operation async_append(std::span<const std::byte> from) noexcept;

  /// Returns once what was written, and the file's size, would survive the machine's sudden end. A new file's name is
  /// its folder's matter: sync_directory().
  /// Parks.
  [[nodiscard]] result<void> sync() { return await(async_sync()); }
  [[nodiscard]] file_change_operation async_sync() noexcept;

  [[nodiscard]] result<std::uint64_t> size() const;

  /// Later calls fail with errc::closed; those under way go on to their end. Says nothing of what the disk has: sync().
  void close() noexcept { file_.get().close(); }

 private:
  detail::owned_descriptor file_;
};

/// Waits until a file is open. See file::open.
class file::open_operation final : public detail::file_operation {
 public:
  using value_type = result<file>;
  open_operation(const detail::file_call& what, const std::filesystem::path& path) : file_operation{what, path} {}

  [[nodiscard]] value_type take() {
    auto made = opened();
    if (!made) return std::unexpected{made.error()};
    return file{std::move(*made)};
  }
  [[nodiscard]] static value_type fail(errc reason) { return failure(reason); }
  [[nodiscard]] value_type block(time_point) {
    make_in_place();
    return take();
  }
};

/// Gives a file another name, in one step: whoever looks sees the old or the new. What had the new name is gone.
/// Parks.
/// Order: survives the machine's sudden end once sync_directory() of the folder has returned.
[[nodiscard]] result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to);
[[nodiscard]] file_change_operation async_rename_file(const std::filesystem::path& from,
                                                      const std::filesystem::path& to);

/// Removes a file, not a folder.
/// Parks.
[[nodiscard]] result<void> remove_file(const std::filesystem::path& path);
[[nodiscard]] file_change_operation async_remove_file(const std::filesystem::path& path);

/// Returns once the names in a folder would survive the machine's sudden end.
/// Parks.
[[nodiscard]] result<void> sync_directory(const std::filesystem::path& path);

}  // namespace weft
