#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weft/fs/file.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/event.hpp>

#include "tests/support/io_fixture.hpp"
#include "tests/support/page_fault.hpp"

// What the reactor does goes on while tasks that do not park keep every seat's OS thread. Nothing here waits for time
// to pass: they are stuck until a task or a client, which could do nothing without the watchdog, lets them go.

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace testing;

/// How a task keeps its OS thread.
enum class way { computing, system_call, os_lock, page_fault };

std::string_view to_string(way one) {
  constexpr std::array<std::string_view, 4> words{"computing", "system_call", "os_lock", "page_fault"};
  return words[static_cast<std::size_t>(one)];
}
std::ostream& operator<<(std::ostream& out, way one) { return out << to_string(one); }

/// Where tasks get stuck until all are let go.
class trap {
 public:
  explicit trap(way how) : how_{how} {
    if (how == way::system_call) {
      EXPECT_EQ(::pipe2(pipe_, O_CLOEXEC), 0);
    }
    if (how == way::page_fault) page_.emplace();
  }
  ~trap() {
    let_go();
    for (int end : pipe_) {
      if (end >= 0) ::close(end);
    }
  }
  trap(const trap&) = delete;
  trap& operator=(const trap&) = delete;

  [[nodiscard]] bool works() const { return how_ != way::page_fault || page_->works(); }

  void get_stuck() {
    // acquire and release: who sees that it is stuck sees what it did before
    inside_.fetch_add(1, std::memory_order_acq_rel);
    switch (how_) {
      case way::computing:
        // acquire: sees what was done before let_go()
        while (!open_.load(std::memory_order_acquire)) {}
        break;
      case way::system_call: {
        char one = 0;
        EXPECT_EQ(::read(pipe_[0], &one, 1), 1);
        break;
      }
      case way::os_lock: {
        std::unique_lock lock{mutex_};
        // relaxed: under the mutex
        opened_.wait(lock, [this] { return open_.load(std::memory_order_relaxed); });
        break;
      }
      case way::page_fault: page_->touch(); break;
    }
    inside_.fetch_sub(1, std::memory_order_acq_rel);  // as above
  }

  [[nodiscard]] std::size_t inside() const {
    // acquire: as above
    return inside_.load(std::memory_order_acquire);
  }

  void let_go() {
    {
      std::lock_guard guard{mutex_};
      // release: what was done before; pairs with get_stuck()
      if (open_.exchange(true, std::memory_order_release)) return;
      opened_.notify_all();
    }
    std::array<char, 64> enough{};
    if (how_ == way::system_call) {
      EXPECT_EQ(::write(pipe_[1], enough.data(), enough.size()), static_cast<ssize_t>(enough.size()));
    }
    if (page_) page_->fill();
  }

 private:
  const way how_;
  std::atomic<std::size_t> inside_{0};
  std::atomic<bool> open_{false};
  int pipe_[2] = {-1, -1};
  std::mutex mutex_;
  std::condition_variable opened_;
  std::optional<page_fault> page_;
};

constexpr std::size_t seats = 2;

/// Runs `f` in the runtime on `reactor`, and fails when it leaves a descriptor open.
template <class F>
void run_watched(reactor_kind reactor, bool enabled, F f) {
  if (reactor == reactor_kind::io_uring && !io::make_io_uring_reactor()) GTEST_SKIP() << "this kernel refuses io_uring";
  auto before = open_descriptors();
  weft::run({.seats = seats,
             .reactor = reactor,
             .watchdog = {.enabled = enabled, .slice = 2ms},
             .warnings = {.stalled_over = duration::max()},  // as long as a loaded machine takes
             .report = [](std::string_view line) { ADD_FAILURE() << line; }},
            std::move(f));
  EXPECT_EQ(open_descriptors(), before) << "a descriptor was leaked";
}

/// Has a task stuck on every seat; the caller's goes on, on the OS thread that comes to one of them.
void stop_every_seat(scope& tasks, trap& where) {
  for (std::size_t i = 0; i < seats; ++i) tasks.spawn([&] { where.get_stuck(); });
  while (where.inside() < seats) yield();
}

void echo(tcp_stream& stream) {
  std::array<std::byte, 256> buffer;
  while (auto got = stream.recv(buffer)) {
    if (!stream.send_all(std::span{buffer}.first(*got))) break;
  }
}

void allow_descriptors(std::size_t count) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, open_descriptors() + count));
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// A client that weft has no part in: plain sockets that block.
class outside_client {
 public:
  explicit outside_client(std::uint16_t port) : number_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(number_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~outside_client() { ::close(number_); }
  outside_client(const outside_client&) = delete;
  outside_client& operator=(const outside_client&) = delete;

  void send(std::string_view text) {
    EXPECT_EQ(::send(number_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  [[nodiscard]] std::string recv(std::size_t count) {
    std::string text(count, '\0');
    EXPECT_EQ(::recv(number_, text.data(), count, MSG_WAITALL), static_cast<ssize_t>(count));
    return text;
  }

 private:
  int number_;
};

class on_reactor : public ::testing::TestWithParam<reactor_kind> {};
INSTANTIATE_TEST_SUITE_P(on, on_reactor, ::testing::Values(reactor_kind::epoll, reactor_kind::io_uring),
                         [](const auto& each) { return each.param == reactor_kind::epoll ? "epoll" : "io_uring"; });

class stuck : public ::testing::TestWithParam<std::tuple<reactor_kind, way>> {
 protected:
  static reactor_kind reactor() { return std::get<0>(GetParam()); }
  static way how() { return std::get<1>(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(on, stuck,
                         ::testing::Combine(::testing::Values(reactor_kind::epoll, reactor_kind::io_uring),
                                            ::testing::Values(way::computing, way::system_call, way::os_lock,
                                                              way::page_fault)),
                         [](const auto& each) {
                           return std::string{std::get<0>(each.param) == reactor_kind::epoll ? "epoll_" : "io_uring_"} +
                                  std::string{to_string(std::get<1>(each.param))};
                         });

TEST_P(stuck, connections_go_on_while_every_seat_is_stuck) {
  trap where{how()};
  if (!where.works()) GTEST_SKIP() << "no userfaultfd here";
  run_watched(reactor(), true, [&] {
    auto [client, server] = connected_pair();
    auto serving = spawn([&, &end = server] { echo(end); });
    ASSERT_TRUE(client.send_all(bytes_of("1")));
    ASSERT_EQ(recv_text(client, 1), "1");  // both are registered
    {
      scope tasks;
      stop_every_seat(tasks, where);
      for (auto text : {"2", "3", "4"}) {
        ASSERT_TRUE(client.send_all(bytes_of(text)));
        EXPECT_EQ(recv_text(client, 1), text);
      }
      EXPECT_EQ(where.inside(), seats);
      where.let_go();
    }
    client.close();
    serving.join();
  });
}

TEST_P(on_reactor, seats_are_taken_again_and_again) {
  run_watched(GetParam(), true, [&] {
    auto [client, server] = connected_pair();
    auto serving = spawn([&, &end = server] { echo(end); });
    for (int round = 0; round < 10; ++round) {
      trap where{round % 2 == 0 ? way::computing : way::system_call};
      scope tasks;
      stop_every_seat(tasks, where);
      auto text = std::to_string(round);
      ASSERT_TRUE(client.send_all(bytes_of(text)));
      EXPECT_EQ(recv_text(client, text.size()), text);
      where.let_go();
    }
    client.close();
    serving.join();
    EXPECT_GE(runtime::current()->statistics().handed_over, 10u);
  });
}

TEST_P(on_reactor, connections_begin_and_end_while_every_seat_is_stuck) {
  run_watched(GetParam(), true, [&] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto before_client = tcp_stream::connect(listener.local()).value();
    auto before_server = listener.accept().value();
    std::array<std::byte, 8> buffer;
    auto waiting = spawn([&] { return before_server.recv(buffer); });
    run_until_parked(waiting);  // it is registered
    trap where{way::computing};
    scope tasks;
    stop_every_seat(tasks, where);
    // What was watched before is closed, and its peer learns of it.
    before_server.close();
    EXPECT_EQ(waiting.join().error(), errc::closed);
    EXPECT_EQ(recv_text(before_client, 1), "");
    // What begins now is watched.
    for (int round = 0; round < 20; ++round) {
      auto client = tcp_stream::connect(listener.local()).value();
      auto server = listener.accept().value();
      auto got = spawn([&] { return recv_text(server, 5); });
      run_until_parked(got);
      ASSERT_TRUE(client.send_all(bytes_of("hello")));
      EXPECT_EQ(got.join(), "hello");
    }
    EXPECT_EQ(where.inside(), seats);
    where.let_go();
  });
}

TEST_P(on_reactor, a_task_that_lost_its_seat_waits_for_connections_of_its_own) {
  run_watched(GetParam(), true, [&] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    trap where{way::computing};
    scope tasks;
    std::vector<std::string> got(seats);
    for (std::size_t i = 0; i < seats; ++i) {
      tasks.spawn([&, i] {
        where.get_stuck();
        for (int round = 0; round < 20; ++round) {
          auto client = tcp_stream::connect(listener.local()).value();
          auto server = listener.accept().value();
          auto answering = spawn([&] {
            std::array<std::byte, 8> buffer;
            auto bytes = server.recv(buffer);
            return bytes && server.send_all(std::span{buffer}.first(*bytes));
          });
          EXPECT_TRUE(client.send_all(bytes_of("hello")));
          // Whose end it is depends on which of the two accepted it.
          auto text = recv_text(client, 5);
          if (answering.join() && text == "hello") got[i] += '.';
        }
      });
    }
    while (where.inside() < seats) yield();
    where.let_go();
    tasks.join();
    for (auto& each : got) EXPECT_EQ(each, std::string(20, '.'));
  });
}

// ---- calls on files: on io_uring they belong to the ring of the thread that submitted them

/// A file that has nothing to read until somebody writes to it, in a folder of its own.
class fifo {
 public:
  fifo() {
    std::string name = (std::filesystem::temp_directory_path() / "weft_watchdog_test.XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    EXPECT_EQ(::mkfifo(path().c_str(), 0600), 0);
  }
  ~fifo() { std::filesystem::remove_all(folder_); }
  fifo(const fifo&) = delete;
  fifo& operator=(const fifo&) = delete;

  [[nodiscard]] std::filesystem::path path() const { return folder_ / "fifo"; }
  /// Somebody reads it.
  void write(std::string_view text) const {
    int number = ::open(path().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    EXPECT_EQ(::write(number, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(number);
  }

 private:
  std::filesystem::path folder_;
};

/// Keeps its seat from the moment when it is next, so that what was submitted before it has not reached the kernel, or
/// has.
enum class submitted { not_yet, already };

class file_calls : public ::testing::TestWithParam<std::tuple<submitted, way>> {
 protected:
  /// Calls `f(reading, pipe, where)` while every seat is stuck in `where`; `reading` reads five bytes of `pipe`.
  template <class F>
  void run_stuck(F f) {
    auto when = std::get<0>(GetParam());
    auto how = std::get<1>(GetParam());
    run_watched(reactor_kind::io_uring, true, [&] {
      fifo pipe;
      auto file = file::open(pipe.path(), {.access = file_access::read_write}).value();
      trap where{how};
      scope tasks;
      std::string text(5, '\0');
      auto reading = spawn([&] { return await(file.async_read_at(std::as_writable_bytes(std::span{text}), 0)); });
      run_until_parked(reading);
      if (when == submitted::already) {
        EXPECT_TRUE(sleep(1us));  // the reactor is entered
      }
      stop_every_seat(tasks, where);
      f(reading, pipe, where);
      where.let_go();
      auto got = reading.join();
      EXPECT_TRUE(!got || text.substr(0, *got) == "hello") << text;
    });
  }
};
INSTANTIATE_TEST_SUITE_P(on, file_calls,
                         ::testing::Combine(::testing::Values(submitted::not_yet, submitted::already),
                                            ::testing::Values(way::computing, way::system_call, way::os_lock)),
                         [](const auto& each) {
                           return std::string{std::get<0>(each.param) == submitted::already ? "submitted_"
                                                                                            : "unsubmitted_"} +
                                  std::string{to_string(std::get<1>(each.param))};
                         });

TEST_P(file_calls, complete_while_the_thread_that_submitted_them_is_stuck) {
  run_stuck([](auto& reading, fifo& pipe, trap& where) {
    pipe.write("hello");
    while (!reading.has_ended()) yield();
    EXPECT_EQ(where.inside(), seats);
  });
}

TEST_P(file_calls, complete_after_the_thread_that_submitted_them_has_gone_on) {
  run_stuck([](auto& reading, fifo& pipe, trap& where) {
    while (runtime::current()->statistics().handed_over == 0) yield();
    where.let_go();
    while (where.inside() != 0) yield();
    pipe.write("hello");
    while (!reading.has_ended()) yield();
  });
}

TEST_P(file_calls, are_cancelled_while_the_thread_that_submitted_them_is_stuck) {
  run_stuck([](auto& reading, fifo&, trap& where) {
    while (runtime::current()->statistics().handed_over == 0) yield();
    reading.cancel();
    while (!reading.has_ended()) yield();
    EXPECT_EQ(where.inside(), seats);
  });
}

TEST_P(on_reactor, files_are_written_and_read_while_every_seat_is_stuck) {
  run_watched(GetParam(), true, [&] {
    fifo folder;
    auto path = folder.path().parent_path() / "file";
    trap where{way::computing};
    scope tasks;
    stop_every_seat(tasks, where);
    auto file = file::open(path, {.access = file_access::read_write, .creation = file_creation::always_new}).value();
    EXPECT_EQ(file.write_at(bytes_of("hello"), 0), std::size_t{5});
    EXPECT_TRUE(file.sync());
    std::string text(5, '\0');
    EXPECT_EQ(file.read_at(std::as_writable_bytes(std::span{text}), 0), std::size_t{5});
    EXPECT_EQ(text, "hello");
    EXPECT_EQ(where.inside(), seats);
    where.let_go();
  });
}

// ---- the whole

constexpr int many_connections = 1000, rounds = 5;

/// A thousand connections to an echo server in the runtime. `speak` runs on an OS thread once all are open and every
/// seat is stuck, one task computing and one reading a pipe: it talks through the clients and lets them go.
template <class Speak>
void run_thousand(reactor_kind reactor, bool watched, Speak speak) {
  allow_descriptors(2 * many_connections + 100);
  trap computing{way::computing}, reading{way::system_call};
  run_watched(reactor, watched, [&] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    std::atomic<int> answers{0};
    scope tasks;
    std::vector<std::unique_ptr<outside_client>> clients;
    std::vector<tcp_stream> served;
    for (int i = 0; i < many_connections; ++i) {
      clients.push_back(std::make_unique<outside_client>(listener.local().port()));
      served.push_back(listener.accept().value());
    }
    for (auto& each : served) {
      tasks.spawn([&] {
        std::array<std::byte, 16> buffer;
        while (auto got = each.recv(buffer)) {
          // relaxed: a number
          answers.fetch_add(1, std::memory_order_relaxed);
          if (!each.send_all(std::span{buffer}.first(*got))) break;
        }
      });
    }
    // Every connection has answered, and waits.
    for (auto& each : clients) each->send("0");
    while (answers.load(std::memory_order_relaxed) < many_connections) yield();  // relaxed: as above
    for (auto& each : clients) EXPECT_EQ(each->recv(1), "0");

    std::thread outside{[&] {
      while (computing.inside() + reading.inside() < seats) std::this_thread::yield();
      speak(clients, answers);
      computing.let_go();
      reading.let_go();
      clients.clear();
    }};
    tasks.spawn([&] { computing.get_stuck(); });
    tasks.spawn([&] { reading.get_stuck(); });
    tasks.join();
    outside.join();
  });
}

using outside_clients = std::vector<std::unique_ptr<outside_client>>;

TEST_P(on_reactor, a_thousand_connections_are_served_while_every_seat_is_stuck) {
  run_thousand(GetParam(), true, [](outside_clients& clients, std::atomic<int>&) {
    for (int round = 0; round < rounds; ++round) {
      auto text = std::to_string(round);
      for (auto& each : clients) each->send(text);
      for (auto& each : clients) EXPECT_EQ(each->recv(text.size()), text);
    }
  });
}

TEST_P(on_reactor, without_the_watchdog_nobody_is_served_until_the_seats_are_free_again) {
  run_thousand(GetParam(), false, [](outside_clients& clients, std::atomic<int>& answers) {
    for (auto& each : clients) each->send("1");
    EXPECT_EQ(answers.load(), many_connections) << "only those of before";
  });
}

}  // namespace
}  // namespace weft
