#include <weft/fs/file.hpp>
#include <weft/task/deadline_scope.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <optional>
#include <string>

#include "tests/support/io_fixture.hpp"

namespace weft {
namespace {

using namespace testing;

/// A folder of its own for each case, gone afterwards.
class folder {
 public:
  folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "weft-file-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~folder() { std::filesystem::remove_all(path_); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void fill(const std::filesystem::path& path, std::string_view content) {
  std::ofstream{path, std::ios::binary} << content;
}

constexpr open_options fresh{.access = file_access::read_write, .creation = file_creation::always_new};

class files : public io_test {
 protected:
  folder folder_;
};
class files_by : public io_waiter_test {
 protected:
  folder folder_;
};
WEFT_ON_EVERY_REACTOR(files);
WEFT_ON_EVERY_REACTOR_BY(files_by, waiter::virtual_thread, waiter::coroutine, waiter::os_thread);

TEST_P(files_by, what_was_written_is_read_back) {
  run([this] {
    auto opened = carry_out(kind(), file::async_open(folder_ / "a", fresh));
    ASSERT_TRUE(opened) << opened.error().message();
    ASSERT_EQ(carry_out(kind(), opened->async_write_at(bytes_of("hello world"), 0)), std::size_t{11});
    ASSERT_EQ(carry_out(kind(), opened->async_write_at(bytes_of("W"), 6)), std::size_t{1});
    ASSERT_TRUE(carry_out(kind(), opened->async_sync()));
    std::array<std::byte, 5> buffer;
    ASSERT_EQ(carry_out(kind(), opened->async_read_at(buffer, 6)), std::size_t{5});
    EXPECT_EQ(text_of(buffer), "World");
    EXPECT_EQ(carry_out(kind(), opened->async_read_at(buffer, 11)), std::size_t{0}) << "the end";
    EXPECT_EQ(opened->size(), std::uint64_t{11});
    EXPECT_EQ(content_of(folder_ / "a"), "hello World");
  });
}

TEST_P(files, a_large_file_that_the_system_does_not_have_in_memory_is_read_whole) {
  run([this] {
    std::string content(3'000'000, '\0');
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i % 23);
    auto large = file::open(folder_ / "large", fresh).value();
    ASSERT_TRUE(large.write_all_at(bytes_of(content), 0));
    ASSERT_TRUE(large.sync());
    auto number = ::open((folder_ / "large").c_str(), O_RDONLY | O_CLOEXEC);
    ::posix_fadvise(number, 0, 0, POSIX_FADV_DONTNEED);
    ::close(number);
    std::string back(content.size() + 1000, '\0');
    EXPECT_EQ(large.read_at(std::as_writable_bytes(std::span{back}), 0), content.size());
    back.resize(content.size());
    EXPECT_EQ(back, content);
  });
}

TEST_P(files_by, appends_stay_whole_however_many_at_once) {
  run([this] {
    constexpr int writers = 8, lines = 25;
    auto log =
        file::open(folder_ / "log", {.access = file_access::append, .creation = file_creation::when_missing}).value();
    scope all;
    for (int writer = 0; writer < writers; ++writer) {
      all.spawn([&log, line = std::string(100, static_cast<char>('a' + writer)) + "\n"] {
        for (int i = 0; i < lines; ++i) ASSERT_EQ(carry_out(kind(), log.async_append(bytes_of(line))), line.size());
      });
    }
    all.join();
    std::ifstream in{folder_ / "log"};
    std::array<int, writers> seen{};
    for (std::string line; std::getline(in, line);) {
      ASSERT_EQ(line, std::string(100, line[0]));
      ++seen[static_cast<std::size_t>(line[0] - 'a')];
    }
    for (int count : seen) EXPECT_EQ(count, lines);
  });
}

TEST_P(files_by, a_name_changes_in_one_step_and_goes) {
  run([this] {
    fill(folder_ / "new", "new");
    fill(folder_ / "name", "old");
    ASSERT_TRUE(carry_out(kind(), async_rename_file(folder_ / "new", folder_ / "name")));
    EXPECT_EQ(content_of(folder_ / "name"), "new");
    EXPECT_FALSE(std::filesystem::exists(folder_ / "new"));
    ASSERT_TRUE(sync_directory(folder_.path()));
    ASSERT_TRUE(carry_out(kind(), async_remove_file(folder_ / "name")));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "name"));
    EXPECT_EQ(carry_out(kind(), async_remove_file(folder_ / "name")).error(), std::errc::no_such_file_or_directory);
  });
}

TEST_P(files, the_ways_to_open_do_what_their_names_say) {
  run([this] {
    auto path = folder_ / "a";
    EXPECT_EQ(file::open(path).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(file::open("").error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(file::open(path, {.access = file_access::write}).error(), std::errc::no_such_file_or_directory);
    ASSERT_TRUE(
        file::open(path, {.access = file_access::write, .creation = file_creation::always_new, .permissions = 0600}));
    EXPECT_EQ(std::filesystem::status(path).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    EXPECT_EQ(file::open(path, fresh).error(), std::errc::file_exists);
    fill(path, "content");
    EXPECT_EQ(file::open(path, {.creation = file_creation::when_missing})->size(), std::uint64_t{7});
    EXPECT_EQ(file::open(path, {.access = file_access::write, .creation = file_creation::emptied})->size(),
              std::uint64_t{0});
    auto reading = file::open(path).value();
    EXPECT_EQ(reading.write_at(bytes_of("x"), 0).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(file::open(folder_.path(), {.access = file_access::write}).error(), std::errc::is_a_directory);
  });
}

TEST_P(files, what_is_forbidden_is_refused) {
  run([this] {
    fill(folder_ / "a", "secret");
    std::filesystem::permissions(folder_ / "a", std::filesystem::perms::none);
    // To root nothing is, but for changing what the kernel alone knows.
    auto refused = ::geteuid() != 0 ? file::open(folder_ / "a")
                                    : file::open("/sys/kernel/uevent_seqnum", {.access = file_access::write});
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error() == std::errc::permission_denied || refused.error() == std::errc::read_only_file_system)
        << refused.error().message();
  });
}

TEST_P(files_by, a_full_disk_is_an_error_not_a_loss) {
  run([] {
    auto full = file::open("/dev/full", {.access = file_access::write}).value();
    EXPECT_EQ(carry_out(kind(), full.async_write_at(bytes_of("x"), 0)).error(), std::errc::no_space_on_device);
    EXPECT_EQ(full.write_all_at(bytes_of("x"), 0).error(), std::errc::no_space_on_device);
  });
}

TEST_P(files_by, a_closed_file_refuses_everything) {
  run([this] {
    auto closed = file::open(folder_ / "a", fresh).value();
    closed.close();
    closed.close();
    std::array<std::byte, 5> buffer;
    EXPECT_EQ(carry_out(kind(), closed.async_read_at(buffer, 0)).error(), errc::closed);
    EXPECT_EQ(carry_out(kind(), closed.async_write_at(buffer, 0)).error(), errc::closed);
    EXPECT_EQ(carry_out(kind(), closed.async_sync()).error(), errc::closed);
    EXPECT_EQ(closed.size().error(), errc::closed);
    EXPECT_EQ(file{}.size().error(), errc::closed);
  });
}

TEST_P(files_by, a_task_that_is_cancelled_before_it_begins_does_not_touch_the_file) {
  if (kind() == waiter::os_thread) return;  // is not cancelled
  run([this] {
    auto target = file::open(folder_ / "a", fresh).value();
    for (int round = 0; round < 50; ++round) {
      auto writing = start(kind(), target.async_write_at(bytes_of("x"), 0));
      writing.cancel();
      auto written = writing.join();
      // It was quicker, or it has not begun.
      ASSERT_TRUE(written == std::size_t{1} || (!written && written.error() == errc::cancelled));
      ASSERT_EQ(target.size(), written ? std::uint64_t{1} : std::uint64_t{0});
      if (written) break;
    }
  });
}

TEST_P(files_by, that_are_pipes_take_no_notice_of_offsets) {
  run([this] {
    auto path = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    auto pipe = file::open(path, {.access = file_access::read_write}).value();
    EXPECT_EQ(carry_out(kind(), pipe.async_write_at(bytes_of("late"), 7)), std::size_t{4});
    std::array<std::byte, 8> buffer;
    EXPECT_EQ(carry_out(kind(), pipe.async_read_at(buffer, 7)), std::size_t{4});
    EXPECT_EQ(text_of(std::span{buffer}.first(4)), "late");
  });
}

// A read that no disk answers: from a pipe with a name. Rings only, whose reads end when they are asked to.
class ring_files : public io_test {
 protected:
  folder folder_;
};
INSTANTIATE_TEST_SUITE_P(on, ring_files,
                         ::testing::Values(io_setting{reactor_kind::io_uring, 1},
                                           io_setting{reactor_kind::io_uring, 3}),
                         [](const auto& each) { return name_of(each.param); });

TEST_P(ring_files, a_read_under_way_is_cancelled_and_its_buffer_is_the_callers_again) {
  run([this] {
    auto path = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    auto pipe = file::open(path, {.access = file_access::read_write}).value();
    for (int round = 0; round < 100; ++round) {
      auto buffer = std::make_unique<std::array<std::byte, 8>>();
      auto reading = start(round % 2 == 0 ? waiter::virtual_thread : waiter::coroutine, pipe.async_read_at(*buffer, 0));
      run_until_parked(reading);
      auto writing = spawn([&] { return await(pipe.async_write_at(bytes_of("x"), 0)); });
      reading.cancel();
      auto got = reading.join();
      ASSERT_TRUE(writing.join());
      if (got) {
        ASSERT_EQ(*got, 1u);
      } else {
        ASSERT_EQ(got.error(), errc::cancelled);
        buffer = std::make_unique<std::array<std::byte, 8>>();
        ASSERT_EQ(await(pipe.async_read_at(*buffer, 0)), std::size_t{1}) << "the byte was lost";
      }
      ASSERT_EQ(text_of(std::span{*buffer}.first(1)), "x");
    }
  });
}

TEST_P(ring_files, a_deadline_ends_a_read_under_way) {
  run([this] {
    auto path = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    auto pipe = file::open(path, {.access = file_access::read_write}).value();
    std::array<std::byte, 8> buffer;
    deadline_scope within{std::chrono::milliseconds{5}};
    EXPECT_EQ(await(pipe.async_read_at(buffer, 0)).error(), errc::timed_out);
  });
}

TEST_P(ring_files, closing_leaves_a_read_under_way_alone) {
  run([this] {
    auto path = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    auto pipe = file::open(path, {.access = file_access::read_write}).value();
    auto writer = file::open(path, {.access = file_access::read_write}).value();
    std::array<std::byte, 8> buffer;
    auto reading = start(waiter::virtual_thread, pipe.async_read_at(buffer, 0));
    run_until_parked(reading);
    pipe.close();
    ASSERT_TRUE(await(writer.async_write_at(bytes_of("late"), 0)));
    EXPECT_EQ(reading.join(), std::size_t{4});
    EXPECT_EQ(text_of(std::span{buffer}.first(4)), "late");
  });
}

// Not everything runs inside of weft::run().
TEST(files_without_a_runtime, work_in_place) {
  folder here;
  auto opened = file::open(here / "a", fresh).value();
  ASSERT_TRUE(opened.write_all_at(bytes_of("hello"), 0));
  ASSERT_TRUE(opened.sync());
  std::array<std::byte, 5> buffer;
  EXPECT_EQ(opened.read_at(buffer, 0), std::size_t{5});
  ASSERT_TRUE(rename_file(here / "a", here / "b"));
  EXPECT_EQ(content_of(here / "b"), "hello");
  ASSERT_TRUE(remove_file(here / "b"));
  ASSERT_TRUE(sync_directory(here.path()));
}

}  // namespace
}  // namespace weft
