// What connections notice when every seat is stuck: two seats, on each of which a task does not park, one computing and
// one in a blocking read of a pipe, and 1,000 connections, opened before, to an echo server beside them. Each asks ten
// times a second.
//
//     stuck_seats [seconds the tasks are stuck, 2 if not given]
//
// Prints, for each reactor, how long answers took with the watchdog and without it.

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weft/net/tcp.hpp>
#include <weft/runtime/run.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>

namespace {

using namespace std::chrono_literals;
using instant = std::chrono::steady_clock::time_point;

constexpr std::size_t connections = 1000;
constexpr std::chrono::nanoseconds between_questions = 100ms;

void check(bool works, const char* what) {
  if (works) return;
  std::perror(what);
  std::exit(1);
}

/// The other side: a thread with an epoll of its own. Each connection has one question under way at most.
class askers {
 public:
  explicit askers(std::uint16_t port) : asked_(connections), sockets_(connections) {
    for (std::size_t i = 0; i < connections; ++i) {
      sockets_[i] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      check(::connect(sockets_[i], reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
      int on = 1;
      ::setsockopt(sockets_[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, sockets_[i], &event) == 0, "epoll_ctl");
    }
  }
  ~askers() {
    for (int each : sockets_) ::close(each);
    ::close(epoll_);
  }
  askers(const askers&) = delete;
  askers& operator=(const askers&) = delete;

  /// Asks until `end`, and waits for the answers.
  std::vector<double> ask_until(instant end) {
    std::vector<double> milliseconds;
    auto begin = std::chrono::steady_clock::now();
    std::size_t turns = 0, waiting = 0;
    for (auto present = begin; present < end || waiting > 0; present = std::chrono::steady_clock::now()) {
      // The connections take turns, evenly over the time.
      auto due = static_cast<std::size_t>((std::min(present, end) - begin) * connections / between_questions);
      for (; turns < due; ++turns) waiting += ask(turns % connections);
      for (auto i : answered(present < end ? 1 : 100)) {
        milliseconds.push_back(
            std::chrono::duration<double, std::milli>{std::chrono::steady_clock::now() - std::exchange(asked_[i], {})}
                .count());
        --waiting;
      }
    }
    return milliseconds;
  }

 private:
  std::size_t ask(std::size_t i) {
    if (asked_[i] != instant{}) return 0;
    asked_[i] = std::chrono::steady_clock::now();
    check(::send(sockets_[i], "?", 1, 0) == 1, "send");
    return 1;
  }

  std::vector<std::size_t> answered(int milliseconds) {
    std::array<epoll_event, 256> events;
    int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds);
    std::vector<std::size_t> found;
    for (int i = 0; i < count; ++i) {
      char answer = 0;
      check(::recv(sockets_[events[static_cast<std::size_t>(i)].data.u64], &answer, 1, 0) == 1, "recv");
      found.push_back(events[static_cast<std::size_t>(i)].data.u64);
    }
    return found;
  }

  std::vector<instant> asked_;
  std::vector<int> sockets_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
};

void echo(weft::tcp_stream& stream) {
  std::array<std::byte, 16> buffer;
  while (auto got = stream.recv(buffer)) {
    if (!stream.send_all(std::span{buffer}.first(*got))) break;
  }
}

std::vector<double> latencies(weft::reactor_kind reactor, bool watched, std::chrono::seconds stuck_for) {
  std::vector<double> found;
  int pipe[2];
  check(::pipe(pipe) == 0, "pipe");
  weft::run({.seats = 2, .reactor = reactor, .watchdog = {.enabled = watched}}, [&] {
    auto listener = weft::tcp_listener::bind("127.0.0.1:0").value();
    std::vector<weft::tcp_stream> streams;
    std::thread outside;
    std::atomic<bool> released{false}, connected{false};
    std::atomic<int> stuck{0};
    weft::scope tasks;
    outside = std::thread{[&, port = listener.local().port()] {
      askers clients{port};
      connected = true;
      while (stuck < 2) std::this_thread::yield();
      auto end = std::chrono::steady_clock::now() + stuck_for;
      std::thread release{[&] {
        std::this_thread::sleep_until(end);
        released = true;
        check(::write(pipe[1], "x", 1) == 1, "write");
      }};
      found = clients.ask_until(end);
      release.join();
    }};
    while (streams.size() < connections) streams.push_back(listener.accept().value());
    for (auto& each : streams) tasks.spawn([&] { echo(each); });
    while (!connected) weft::yield();
    tasks.spawn([&] {
      ++stuck;
      while (!released) {}
    });
    tasks.spawn([&] {
      ++stuck;
      char got = 0;
      check(::read(pipe[0], &got, 1) == 1, "read");
    });
    tasks.join();
    outside.join();
  });
  ::close(pipe[0]);
  ::close(pipe[1]);
  return found;
}

void print(std::string_view name, std::vector<double> milliseconds) {
  std::ranges::sort(milliseconds);
  auto at = [&](double share) { return milliseconds[static_cast<std::size_t>(share * (milliseconds.size() - 1))]; };
  std::printf("%-28s %7zu answers   p50 %8.2f ms   p99 %8.2f ms   longest %8.2f ms\n", name.data(), milliseconds.size(),
              at(0.5), at(0.99), at(1));
}

}  // namespace

int main(int argc, char** argv) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const std::chrono::seconds stuck_for{argc > 1 ? std::atoi(argv[1]) : 2};
  print("epoll, with the watchdog", latencies(weft::reactor_kind::epoll, true, stuck_for));
  print("io_uring, with the watchdog", latencies(weft::reactor_kind::io_uring, true, stuck_for));
  print("epoll, without", latencies(weft::reactor_kind::epoll, false, stuck_for));
  print("io_uring, without", latencies(weft::reactor_kind::io_uring, false, stuck_for));
}
