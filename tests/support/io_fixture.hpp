#pragma once

#include <dirent.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <vector>

#include <weft/net/tcp.hpp>
#include <weft/runtime/run.hpp>
#include <weft/stack/detail/parked_flows.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "weft/io/detail/reactor.hpp"

namespace weft::testing {

/// Who carries an operation out.
enum class waiter { virtual_thread, coroutine, os_thread };

[[nodiscard]] inline std::string_view to_string(waiter kind) {
  constexpr std::array<std::string_view, 3> words{"virtual_thread", "coroutine", "os_thread"};
  return words[static_cast<std::size_t>(kind)];
}

/// How many descriptors the process has open, and a few for the look itself. No thread opens or closes any meanwhile:
/// UndefinedBehaviorSanitizer opens a pipe for a moment wherever it first meets an object of a polymorphic type (here
/// too, were this written with C++'s directory_iterator).
[[nodiscard]] inline std::size_t open_descriptors() {
  static_cast<void>(stack::hibernation_obstacle());  // opens, once, what hibernation needs
  std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> folder{::opendir("/proc/self/fd")};
  EXPECT_NE(folder, nullptr);
  std::size_t count = 0;
  while (::readdir(folder.get())) ++count;
  return count;
}

/// "For ever", as a limit.
inline constexpr duration unlimited = duration::max();

/// Starts `op` on a waiter of its own, which the handle stands for and which waits no longer than `limit`.
template <operation Op>
[[nodiscard]] join_handle<typename Op::value_type> start(waiter kind, Op op, duration limit = unlimited) {
  using value = typename Op::value_type;
  if (kind == waiter::coroutine) {
    return spawn([](Op moved, duration most) -> task<value> {
      deadline_scope within{most};
      co_return co_await std::move(moved);
    }(std::move(op), limit));
  }
  auto wait_here = [op = std::move(op), limit]() mutable {
    deadline_scope within{limit};
    return await(std::move(op));
  };
  if (kind == waiter::virtual_thread) return spawn(std::move(wait_here));
  return spawn([wait_here = std::move(wait_here)]() mutable { return blocking(std::move(wait_here)); });
}

/// Carries `op` out and waits for it.
template <operation Op>
[[nodiscard]] typename Op::value_type carry_out(waiter kind, Op op, duration limit = unlimited) {
  return start(kind, std::move(op), limit).join();
}

/// Lets others run until `task` is parked, or over: exact, unlike a sleep.
template <class T>
void run_until_parked(const join_handle<T>& task) {
  while (!task.is_parked() && !task.has_ended()) yield();
}

struct stream_pair {
  tcp_stream client, server;
};

/// Two ends of a connection on the loopback interface.
/// What a call gave, which a test cannot go on without; throws what was wrong.
template <class T>
[[nodiscard]] T must(result<T> outcome) {
  if (!outcome) throw std::system_error{outcome.error()};
  return std::move(*outcome);
}

[[nodiscard]] inline stream_pair connected_pair() {
  auto listener = must(tcp_listener::bind("127.0.0.1:0"));
  auto client = must(tcp_stream::connect(listener.local()));
  return {std::move(client), must(listener.accept())};
}

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}

[[nodiscard]] inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Receives exactly `count` bytes, or fewer when the stream ends.
[[nodiscard]] inline std::string recv_text(byte_stream& stream, std::size_t count) {
  std::string text(count, '\0');
  auto left = std::as_writable_bytes(std::span{text});
  while (!left.empty()) {
    auto got = stream.recv(left);
    if (!got) break;
    left = left.subspan(*got);
  }
  text.resize(count - left.size());
  return text;
}

/// What the cases run on: each reactor, one seat and several.
struct io_setting {
  reactor_kind reactor = reactor_kind::epoll;
  std::size_t seats = 1;
};

[[nodiscard]] inline std::string name_of(const io_setting& setting) {
  return std::string{setting.reactor == reactor_kind::epoll ? "epoll" : "io_uring"} + "_seats_" +
         std::to_string(setting.seats);
}

inline std::ostream& operator<<(std::ostream& out, const io_setting& setting) { return out << name_of(setting); }
inline std::ostream& operator<<(std::ostream& out, waiter kind) { return out << to_string(kind); }

[[nodiscard]] inline std::vector<io_setting> all_settings() {
  return {{reactor_kind::epoll, 1}, {reactor_kind::epoll, 3}, {reactor_kind::io_uring, 1}, {reactor_kind::io_uring, 3}};
}

/// Runs a case inside the runtime and fails when it leaves a descriptor open.
class io_runner {
 protected:
  template <class F>
  void run_in_runtime(const io_setting& setting, F f) {
    if (setting.reactor == reactor_kind::io_uring && !io::make_io_uring_reactor()) {
      GTEST_SKIP() << "this kernel refuses io_uring";
    }
    auto before = open_descriptors();
    // A case may compute for long, above all under a sanitizer: that is no failure.
    weft::run({.seats = setting.seats,
               .reactor = setting.reactor,
               .warnings = {.stalled_over = duration::max()},
               .report = [](std::string_view line) { ADD_FAILURE() << line; }},
              std::move(f));
    EXPECT_EQ(open_descriptors(), before) << "a descriptor was leaked";
  }
};

/// For cases that do not care who waits.
class io_test : public ::testing::TestWithParam<io_setting>, protected io_runner {
 protected:
  template <class F>
  void run(F f) {
    run_in_runtime(GetParam(), std::move(f));
  }
};

/// For cases that hold for every kind of waiter.
class io_waiter_test : public ::testing::TestWithParam<std::tuple<io_setting, waiter>>, protected io_runner {
 protected:
  template <class F>
  void run(F f) {
    run_in_runtime(std::get<0>(GetParam()), std::move(f));
  }
  [[nodiscard]] static waiter kind() { return std::get<1>(GetParam()); }
};

}  // namespace weft::testing

/// Instantiates the cases of `suite`, derived from io_test.
#define WEFT_ON_EVERY_REACTOR(suite)                                                        \
  INSTANTIATE_TEST_SUITE_P(on, suite, ::testing::ValuesIn(::weft::testing::all_settings()), \
                           [](const auto& each) { return ::weft::testing::name_of(each.param); })

/// Instantiates the cases of `suite`, derived from io_waiter_test, for the waiters that are named.
#define WEFT_ON_EVERY_REACTOR_BY(suite, ...)                                                                    \
  INSTANTIATE_TEST_SUITE_P(                                                                                     \
      on, suite,                                                                                                \
      ::testing::Combine(::testing::ValuesIn(::weft::testing::all_settings()), ::testing::Values(__VA_ARGS__)), \
      [](const auto& each) {                                                                                    \
        return ::weft::testing::name_of(std::get<0>(each.param)) + "_" +                                        \
               std::string{::weft::testing::to_string(std::get<1>(each.param))};                                \
      })
