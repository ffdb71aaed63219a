#include <weft/io/run.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/io/tcp.hpp>
#include <weft/sync/select.hpp>
#include <weft/task/runtime.hpp>

#include "io/io_fixture.hpp"

namespace weft {
namespace {

using namespace testing;

/// While it lives, the environment says WEFT_REACTOR=`value`.
class reactor_in_environment {
 public:
  explicit reactor_in_environment(const char* value) {
    if (const char* before = std::getenv("WEFT_REACTOR")) before_ = before;
    ::setenv("WEFT_REACTOR", value, 1);
  }
  ~reactor_in_environment() {
    if (before_) {
      ::setenv("WEFT_REACTOR", before_->c_str(), 1);
    } else {
      ::unsetenv("WEFT_REACTOR");
    }
  }
  reactor_in_environment(const reactor_in_environment&) = delete;
  reactor_in_environment& operator=(const reactor_in_environment&) = delete;

 private:
  std::optional<std::string> before_;
};

TEST(run, returns_what_the_main_task_returns) {
  EXPECT_EQ(weft::run([] { return 7; }), 7);
  EXPECT_EQ(weft::run([] {}), 0);
  EXPECT_EQ(weft::run({.seats = 2}, [] { return static_cast<int>(runtime::current()->seat_count()); }), 2);
}

TEST(run, lets_out_what_the_main_task_throws) {
  EXPECT_THROW(weft::run([] { throw std::runtime_error{"no"}; }), std::runtime_error);
}

TEST(run, may_be_called_again_when_it_has_returned) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(weft::run([i] { return i; }), i);
}

TEST(run, cancels_and_waits_for_tasks_that_were_detached) {
  bool ended = false;
  weft::run([&] {
    auto listener = std::make_shared<tcp_listener>(tcp_listener::bind("127.0.0.1:0").value());
    spawn([&ended, listener] {
      EXPECT_EQ(listener->accept().error(), errc::cancelled);
      ended = true;
    }).detach();
  });
  EXPECT_TRUE(ended);
}

TEST(run, takes_the_reactor_that_the_environment_names_and_reports_what_it_does_not_know) {
  for (const char* known : {"epoll", "io_uring", ""}) {
    reactor_in_environment environment{known};
    std::vector<std::string> reports;
    weft::run({.report = [&](std::string_view line) { reports.emplace_back(line); }}, [] {});
    if (io::make_io_uring_reactor() || std::string_view{known} != "io_uring") {
      EXPECT_TRUE(reports.empty()) << reports.front();
    } else {
      EXPECT_EQ(reports.size(), 1u);
    }
  }
  reactor_in_environment environment{"kqueue"};
  std::vector<std::string> reports;
  weft::run({.report = [&](std::string_view line) { reports.emplace_back(line); }}, [] {});
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_NE(reports.front().find("WEFT_REACTOR=kqueue"), std::string::npos);
}

TEST(run_dies, when_a_task_calls_it) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(weft::run([] { weft::run([] {}); }), "use spawn");
}

class between_runs : public io_test {};
WEFT_ON_EVERY_REACTOR(between_runs);

TEST_P(between_runs, a_connection_lives_on_in_the_next_one_and_outside) {
  auto before = open_descriptors();
  {
    auto ends = connected_pair();
    std::array<std::byte, 8> buffer;
    run([&] {
      // Registers it with a reactor that will be gone.
      auto waiting = start(waiter::virtual_thread, ends.server.async_recv(buffer));
      run_until_parked(waiting);
      ASSERT_TRUE(ends.client.send_all(bytes_of("1")));
      EXPECT_EQ(waiting.join(), std::size_t{1});
    });
    ASSERT_TRUE(ends.client.send_all(bytes_of("2")));
    EXPECT_EQ(ends.server.recv(buffer), std::size_t{1});
    run([&] {
      auto waiting = start(waiter::virtual_thread, ends.server.async_recv(buffer));
      run_until_parked(waiting);
      ASSERT_TRUE(ends.client.send_all(bytes_of("3")));
      EXPECT_EQ(waiting.join(), std::size_t{1});
    });
    EXPECT_EQ(text_of(std::span{buffer}.first(1)), "3");
  }
  EXPECT_EQ(open_descriptors(), before);
}

// Not everything runs inside of weft::run().
TEST(without_a_runtime, os_threads_talk) {
  auto listener = tcp_listener::bind("127.0.0.1:0").value();
  std::thread server{[&listener] {
    auto stream = listener.accept().value();
    std::array<std::byte, 64> buffer;
    while (auto got = stream.recv(buffer)) ASSERT_TRUE(stream.send_all(std::span{buffer}.first(*got)));
  }};
  auto client = tcp_stream::connect(listener.local()).value();
  ASSERT_TRUE(client.send_all(bytes_of("hello")));
  EXPECT_EQ(recv_text(client, 5), "hello");
  client.close();
  server.join();
}

TEST(without_a_runtime, close_wakes_os_threads_that_wait) {
  auto listener = tcp_listener::bind("127.0.0.1:0").value();
  auto client = tcp_stream::connect(listener.local()).value();
  auto server = listener.accept().value();
  std::array<std::byte, 8> buffer;
  std::thread accepting{[&] { EXPECT_EQ(listener.accept().error(), errc::closed); }};
  std::thread receiving{[&] { EXPECT_EQ(server.recv(buffer).error(), errc::closed); }};
  listener.close();
  server.close();
  accepting.join();
  receiving.join();
}

TEST(without_a_runtime, an_os_thread_selects_and_keeps_its_deadline) {
  auto [client, server] = connected_pair();
  auto [other_client, other_server] = connected_pair();
  std::array<std::byte, 8> one, two;
  {
    deadline_scope within{std::chrono::milliseconds{5}};
    EXPECT_EQ(select(server.async_recv(one), other_server.async_recv(two)).error(), errc::timed_out);
  }
  std::thread sending{[&, &end = other_client] { ASSERT_TRUE(end.send_all(bytes_of("x"))); }};
  auto chosen = select(server.async_recv(one), other_server.async_recv(two));
  sending.join();
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->index(), 1u);
}

}  // namespace
}  // namespace weft
