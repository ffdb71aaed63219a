#include <weft/runtime/run.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/event.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/deadline_scope.hpp>

#include "tests/support/descriptor_limit.hpp"
#include "tests/support/io_fixture.hpp"

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

TEST(run, passes_its_options_on) {
  weft::run({.seats = 2, .stack_bytes = 1 << 20, .compute_carriers = 3, .blocking_threads = 5}, [] {
    auto& home = *runtime::current();
    EXPECT_EQ(home.seat_count(), 2u);
    EXPECT_EQ(home.stacks().stack_bytes(), 1u << 20);
    EXPECT_EQ(home.compute_pool().most_carriers(), 3u);
    EXPECT_EQ(home.blocking_pool().most_threads(), 5u);
  });
}

TEST(run, refuses_options_that_are_out_of_range) {
  EXPECT_THROW(weft::run({.seats = 1'000'000}, [] {}), std::invalid_argument);
  EXPECT_THROW(weft::run({.compute_carriers = 1'000'000}, [] {}), std::invalid_argument);
  EXPECT_THROW(weft::run({.blocking_threads = 1'000'000}, [] {}), std::invalid_argument);
  EXPECT_THROW(weft::run({.stack_bytes = std::numeric_limits<std::size_t>::max()}, [] {}), std::system_error);
  EXPECT_EQ(weft::run({.stack_bytes = 1}, [] { return 1; }), 1);
}

TEST(run, fails_when_there_are_no_descriptors_for_its_reactors) {
  descriptor_limit few{40};
  EXPECT_THROW(weft::run({.seats = 1000, .reactor = reactor_kind::epoll}, [] {}), std::system_error);
  EXPECT_EQ(weft::run({.seats = 2, .reactor = reactor_kind::epoll}, [] { return 1; }), 1);
}

TEST(run, tells_of_a_task_that_does_not_park_as_its_options_say) {
  std::atomic<bool> told{false};
  std::string name;
  weft::run({.seats = 1,
             .watchdog = {.slice = std::chrono::milliseconds{1},
                          .on_stall =
                              [&](const sched::stall& event) {
                                if (event.task_name != "greedy") return;
                                EXPECT_NE(sched::describe(event).find("\"greedy\""), std::string::npos);
                                told = true;
                              }}},
            [&] {
              // Ends when the watchdog has told of it.
              spawn({.name = "greedy"}, [&] {
                while (!told) {}
              }).join();
              EXPECT_FALSE(runtime::current()->stalls().empty());
            });
}

TEST(run, leaves_a_task_that_does_not_park_its_seat_when_the_watchdog_is_off) {
  weft::run({.seats = 1, .watchdog = {.enabled = false, .slice = std::chrono::milliseconds{1}}}, [] {
    bool other_ran = false;
    auto other = spawn([&] { other_ran = true; });
    for (auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{20};
         std::chrono::steady_clock::now() < end;) {}
    EXPECT_FALSE(other_ran);
    other.join();
    EXPECT_TRUE(runtime::current()->stalls().empty());
  });
}

TEST(run, is_called_by_several_os_threads_at_once_each_with_seats_of_its_own) {
  auto listener = tcp_listener::bind("127.0.0.1:0").value();
  std::thread server{[&] {
    weft::run({.seats = 1}, [&] {
      auto stream = listener.accept().value();
      std::array<std::byte, 64> buffer;
      while (auto got = stream.recv(buffer)) {
        if (!stream.send_all(std::span{buffer}.first(*got))) break;
      }
    });
  }};
  weft::run({.seats = 2}, [&] {
    auto stream = tcp_stream::connect(listener.local()).value();
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(stream.send_all(bytes_of("hello")));
      EXPECT_EQ(recv_text(stream, 5), "hello");
    }
  });
  server.join();
}

TEST(run, names_the_detached_tasks_that_do_not_end_and_waits_for_them) {
  event let_go;
  std::vector<std::string> reports;
  bool ended = false;
  weft::run({.shutdown_report_after = {},
             .report =
                 [&](std::string_view line) {
                   reports.emplace_back(line);
                   let_go.set();
                 }},
            [&] {
              spawn({.name = "stubborn"}, [&] {
                cancellation_shield not_now;
                EXPECT_TRUE(let_go.wait());
                ended = true;
              }).detach();
            });
  EXPECT_TRUE(ended);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_NE(reports.front().find("\"stubborn\", spawned at"), std::string::npos) << reports.front();
}

TEST(run_dies, when_a_task_calls_it) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(weft::run([] { weft::run([] {}); }), "use spawn");
  EXPECT_DEATH(weft::run([] {
                 spawn([]() -> task<> {
                   weft::run([] {});
                   co_return;
                 }).join();
               }),
               "use spawn");
}

TEST(run, may_be_called_on_a_thread_for_blocking_calls_although_a_runtime_runs) {
  EXPECT_EQ(weft::run([] { return blocking([] { return weft::run([] { return 7; }); }); }), 7);
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

TEST(leaks, are_reported_when_main_returns_and_when_it_throws) {
  for (bool throws : {false, true}) {
    std::mutex mutex;
    std::vector<std::string> lines;
    run_options options;
    options.seats = 1;
    options.tracking.leaks = leak_report::yes;
    options.report = [&](std::string_view line) {
      std::lock_guard guard{mutex};
      lines.emplace_back(line);
    };
    auto main = [&] {
      auto forgotten = spawn({.name = "forgotten"}, [] { static_cast<void>(sleep(std::chrono::hours{1})); });
      while (!forgotten.is_parked()) yield();
      forgotten.detach();
      if (throws) throw std::runtime_error{"main"};
    };
    if (throws) {
      EXPECT_THROW(weft::run(options, main), std::runtime_error);
    } else {
      EXPECT_EQ(weft::run(options, main), 0);
    }
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_NE(lines[0].find("at the end of run(): task "), std::string::npos) << lines[0];
    EXPECT_NE(lines[0].find("\"forgotten\", a virtual thread spawned at "), std::string::npos) << lines[0];
  }
}

}  // namespace
}  // namespace weft
