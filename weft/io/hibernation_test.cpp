#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <string>

#include <weft/fs/file.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/event.hpp>
#include <weft/task/spawn.hpp>

#include "tests/support/io_fixture.hpp"

// The kernel cannot touch a stack that was put away: it answers EFAULT where a program's own access would wait.

namespace weft {
namespace {

using namespace testing;

using buffer = std::array<std::byte, 64>;

class hibernation : public io_test {
 protected:
  void SetUp() override {
    if (auto why = stack::hibernation_obstacle(); !why.empty()) GTEST_SKIP() << why;
    auto pattern = (std::filesystem::temp_directory_path() / "weft-hibernation-test-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  /// Calls `use(bytes)` while `bytes` lies on the stack of a task that was put away.
  template <class F>
  void with_buffer_put_away(F use) {
    event done;
    std::atomic<buffer*> shared{nullptr};
    auto owner = spawn([&] {
      buffer bytes{};
      shared = &bytes;
      done.wait().value();
    });
    run_until_parked(owner);
    EXPECT_EQ(runtime::current()->hibernate_parked(), 1u);
    use(*shared.load());
    done.set();
    owner.join();
  }

  std::filesystem::path folder_;
};
WEFT_ON_EVERY_REACTOR(hibernation);

TEST_P(hibernation, a_socket_is_received_into_and_sent_from_the_stack_of_a_task_that_was_put_away) {
  run([&] {
    auto [client, server] = connected_pair();
    ASSERT_TRUE(client.send(bytes_of("to a stack")));
    with_buffer_put_away([&](buffer& bytes) {
      EXPECT_EQ(server.recv(bytes), 10u);
      EXPECT_EQ(text_of(std::span{bytes}.first(10)), "to a stack");
    });
    with_buffer_put_away([&](buffer& bytes) { EXPECT_EQ(server.send(bytes), bytes.size()); });
    EXPECT_EQ(recv_text(client, 64), std::string(64, '\0'));
    with_buffer_put_away([&](buffer& bytes) {
      const std::array<std::span<const std::byte>, 2> pieces{bytes_of("from "), std::span{bytes}};
      EXPECT_TRUE(server.send_all(pieces));
    });
    EXPECT_EQ(recv_text(client, 69), "from " + std::string(64, '\0'));
  });
}

TEST_P(hibernation, a_file_is_read_into_and_written_from_the_stack_of_a_task_that_was_put_away) {
  run([&] {
    auto opened = file::open(folder_ / "a", {.access = file_access::read_write, .creation = file_creation::always_new});
    ASSERT_TRUE(opened);
    with_buffer_put_away([&](buffer& bytes) { EXPECT_EQ(opened->write_at(bytes, 0), bytes.size()); });
    ASSERT_TRUE(opened->write_at(bytes_of("to a stack"), 0));
    with_buffer_put_away([&](buffer& bytes) {
      EXPECT_EQ(opened->read_at(bytes, 0), bytes.size());
      EXPECT_EQ(text_of(std::span{bytes}.first(10)), "to a stack");
    });
  });
}

TEST_P(hibernation, a_buffer_that_is_nowhere_is_still_an_error) {
  run([&] {
    auto [client, server] = connected_pair();
    ASSERT_TRUE(client.send(bytes_of("text")));
    const std::span nowhere{reinterpret_cast<std::byte*>(64), std::size_t{64}};
    auto got = server.recv(nowhere);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), std::errc::bad_address);
  });
}

TEST_P(hibernation, a_task_whose_buffer_the_kernel_holds_is_not_put_away) {
  run([&] {
    const auto path = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader, 0);
    auto opened = file::open(path, {.access = file_access::append});
    ASSERT_TRUE(opened);
    const auto room = static_cast<std::size_t>(::fcntl(reader, F_SETPIPE_SZ, 4096));
    ASSERT_TRUE(opened->append(std::vector<std::byte>(room, std::byte{1})));
    auto writer = spawn([&] {
      std::array<std::byte, 64> own;
      own.fill(std::byte{7});
      return opened->append(own);
    });
    run_until_parked(writer);
    EXPECT_EQ(runtime::current()->hibernate_parked(), 0u) << "the pipe is full: the kernel still needs the bytes";
    std::vector<std::byte> got(room + 64);
    std::size_t have = 0;
    while (have < got.size()) {
      auto count = ::read(reader, got.data() + have, got.size() - have);
      if (count > 0) have += static_cast<std::size_t>(count);
      yield();
    }
    EXPECT_EQ(writer.join(), 64u);
    EXPECT_TRUE(std::all_of(got.end() - 64, got.end(), [](std::byte each) { return each == std::byte{7}; }));
    ::close(reader);
  });
}

}  // namespace
}  // namespace weft
