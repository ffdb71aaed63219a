// Select, race and when_all over input and output beside everything else that can be waited for.

#include "tests/support/io_fixture.hpp"

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include <weft/combine/race.hpp>
#include <weft/combine/select.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/fs/file.hpp>
#include <weft/net/tcp.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace testing;

class io_select : public io_waiter_test {
 protected:
  // The first select of an OS thread over a socket makes the reactor of OS threads, which stays.
  io_select() {
    auto [client, server] = connected_pair();
    std::array<std::byte, 1> buffer{};
    EXPECT_TRUE(select(server.async_recv(buffer), async_sleep(1ms)));
  }
};
WEFT_ON_EVERY_REACTOR_BY(io_select, waiter::virtual_thread, waiter::coroutine, waiter::os_thread);

/// A folder with a pipe in it, which goes with it.
class piped {
 public:
  piped() {
    auto name = (std::filesystem::temp_directory_path() / "weft-select-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    EXPECT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
    pipe = file::open(folder_ / "pipe", {.access = file_access::read_write}).value();
  }
  ~piped() {
    pipe.close();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  [[nodiscard]] file make_file(std::string_view content) const {
    auto made = file::open(folder_ / "file", {.access = file_access::read_write, .creation = file_creation::emptied});
    EXPECT_TRUE(made->write_all_at(bytes_of(content), 0));
    return std::move(*made);
  }

  file pipe;

 private:
  std::filesystem::path folder_;
};

/// Sends until nothing more fits.
void fill(tcp_stream& stream) {
  const std::vector<std::byte> much(1 << 16);
  while (await(with_timeout(stream.async_send(much), 20ms))) {}
}

/// Receives until nothing more is there.
void empty(tcp_stream& stream) {
  std::vector<std::byte> into(1 << 16);
  while (await(with_timeout(stream.async_recv(into), 20ms))) {}
}

TEST_P(io_select, has_the_one_case_happen_that_can_and_takes_nothing_of_the_others) {
  run([] {
    auto [client, server] = connected_pair();
    auto [sender, slow] = connected_pair();
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    channel<int> numbers{1};
    semaphore permits{0};
    fill(sender);
    for (std::size_t expected = 0; expected < 7; ++expected) {
      std::array<std::byte, 8> buffer{};
      const std::array<std::byte, 1 << 16> much{};
      channel<int> ending{0};
      auto joined = spawn([&] { static_cast<void>(ending.recv()); });
      auto chosen = start(kind(), async_select(server.async_recv(buffer), listener.async_accept(),
                                               sender.async_send(much), permits.async_acquire(), numbers.async_recv(),
                                               joined.async_wait(), async_sleep(expected == 6 ? 1ms : 1h)));
      run_until_parked(chosen);
      std::optional<tcp_stream> connected;
      switch (expected) {
        case 0: ASSERT_TRUE(client.send_all(bytes_of("bytes"))); break;
        case 1: connected = tcp_stream::connect(listener.local()).value(); break;
        case 2: empty(slow); break;
        case 3: permits.release(); break;
        case 4: ASSERT_TRUE(numbers.send(4)); break;
        case 5: ending.close(); break;
        default: break;
      }
      auto outcome = chosen.join();
      ASSERT_TRUE(outcome) << outcome.error();
      ASSERT_EQ(outcome->index(), expected);
      if (expected == 0) {
        ASSERT_EQ(std::get<0>(*outcome), std::size_t{5});
        ASSERT_EQ(text_of(std::span{buffer}.first(5)), "bytes");
      }
      ASSERT_TRUE(expected != 1 || std::get<1>(*outcome));
      if (expected == 2) {
        empty(slow);
        fill(sender);
      }
      ending.close();
      joined.join();
      // What comes now is there for others.
      ASSERT_EQ(permits.available(), 0u);
      ASSERT_TRUE(client.send_all(bytes_of("more")));
      ASSERT_EQ(recv_text(server, 4), "more");
      ASSERT_TRUE(numbers.send(7));
      ASSERT_EQ(numbers.try_recv(), 7);
      auto next = tcp_stream::connect(listener.local()).value();
      ASSERT_TRUE(listener.accept());
    }
  });
}

TEST_P(io_select, loses_no_byte_and_no_value_whichever_case_happens) {
  run([] {
    constexpr int rounds = 200;
    auto [left_client, left] = connected_pair();
    auto [right_client, right] = connected_pair();
    channel<int> numbers{0};
    scope senders;
    for (auto* stream : {&left_client, &right_client}) {
      senders.spawn([stream] {
        for (int i = 0; i < rounds; ++i) {
          const auto byte = static_cast<std::byte>(i);
          ASSERT_TRUE(stream->send_all({&byte, 1}));
          if (i % 3 == 0) yield();
        }
      });
    }
    senders.spawn([&] {
      for (int i = 0; i < rounds; ++i) ASSERT_TRUE(numbers.send(i));
    });
    std::array<int, 3> received{};
    while (received != std::array{rounds, rounds, rounds}) {
      std::byte from_left{}, from_right{};
      auto outcome = carry_out(kind(), async_select(left.async_recv({&from_left, 1}),
                                                    right.async_recv({&from_right, 1}), numbers.async_recv()));
      ASSERT_TRUE(outcome) << outcome.error();
      const auto index = outcome->index();
      const int value = index == 2   ? std::get<2>(*outcome).value()
                        : index == 0 ? std::to_integer<int>(from_left)
                                     : std::to_integer<int>(from_right);
      ASSERT_EQ(value, index == 2 ? received[index] : received[index] % 256) << "from " << index;
      ++received[index];
    }
    senders.join();
  });
}

class io_select_task : public io_waiter_test {};
WEFT_ON_EVERY_REACTOR_BY(io_select_task, waiter::virtual_thread, waiter::coroutine);

TEST_P(io_select_task, holds_a_mutex_only_where_that_case_happened) {
  run([] {
    auto [client, server] = connected_pair();
    mutex guard;
    guard.lock();
    std::array<std::byte, 1> buffer{};
    auto waiting = start(kind(), async_select(guard.async_lock(), server.async_recv(buffer)));
    run_until_parked(waiting);
    ASSERT_TRUE(client.send_all(bytes_of("x")));
    auto outcome = waiting.join();
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->index(), 1u);
    guard.unlock();
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
  });
}

TEST_P(io_select, ends_a_read_of_a_file_when_another_case_happens_and_says_what_it_moved) {
  run([] {
    piped here;
    auto numbers = here.make_file("0123456789");
    for (int round = 0; round < 50; ++round) {
      std::array<std::byte, 4> buffer{};
      auto reading = numbers.async_read_at(buffer, 2);
      auto outcome = carry_out(kind(), async_select(reading, async_sleep(0s)));
      ASSERT_TRUE(outcome);
      if (outcome->index() == 0) {
        ASSERT_EQ(std::get<0>(*outcome), std::size_t{4});
      } else if (!reading.moved()) {
        continue;
      }
      ASSERT_EQ(reading.moved().value_or(4), 4u);
      ASSERT_EQ(text_of(buffer), "2345");
    }
  });
}

TEST_P(io_select, takes_all_of_files_threads_and_sockets_together) {
  run([] {
    piped here;
    auto numbers = here.make_file("0123456789");
    auto [client, server] = connected_pair();
    std::array<std::byte, 4> first{}, second{};
    std::array<std::byte, 1> third{};
    auto all = start(kind(), when_all(numbers.async_read_at(first, 0), numbers.async_write_at(bytes_of("x"), 9),
                                      async_blocking([] { return std::string{"blocked"}; }), server.async_recv(third),
                                      numbers.async_read_at(second, 4), async_blocking([] {})));
    if (kind() != waiter::os_thread) run_until_parked(all);
    ASSERT_TRUE(client.send_all(bytes_of("s")));
    auto [read, written, blocked, received, read_too, nothing] = all.join();
    EXPECT_EQ(read, std::size_t{4});
    EXPECT_EQ(text_of(first), "0123");
    EXPECT_EQ(written, std::size_t{1});
    EXPECT_EQ(blocked, "blocked");
    EXPECT_EQ(received, std::size_t{1});
    EXPECT_EQ(read_too, std::size_t{4});
    EXPECT_EQ(text_of(second), "4567");
    EXPECT_TRUE(nothing);
  });
}

TEST_P(io_select, lets_files_race_a_deadline_and_each_other) {
  run([] {
    piped here;
    auto numbers = here.make_file("0123456789");
    std::array<std::byte, 4> first{}, second{};
    auto outcome = carry_out(
        kind(),
        with_timeout(race(numbers.async_read_at(first, 0), numbers.async_read_at(second, 4), async_sleep(1h)), 1h));
    ASSERT_TRUE(outcome) << outcome.error();
    ASSERT_LT(outcome->index(), 2u);
    EXPECT_EQ(text_of(outcome->index() == 0 ? first : second), outcome->index() == 0 ? "0123" : "4567");
  });
}

// A ring ends a read of a pipe that has nothing to give; a thread that makes the call cannot. So no task may run
// without a seat: without the watchdog none does.
class ring_select : public io_waiter_test {
 protected:
  template <class F>
  void run(F f) {
    const auto& setting = std::get<0>(GetParam());
    if (!io::make_io_uring_reactor()) GTEST_SKIP() << "this kernel refuses io_uring";
    weft::run({.seats = setting.seats, .reactor = setting.reactor, .watchdog = {.enabled = false}}, std::move(f));
  }
};
INSTANTIATE_TEST_SUITE_P(on, ring_select,
                         ::testing::Combine(::testing::Values(io_setting{reactor_kind::io_uring, 1},
                                                              io_setting{reactor_kind::io_uring, 3}),
                                            ::testing::Values(waiter::virtual_thread, waiter::coroutine)),
                         [](const auto& each) {
                           return name_of(std::get<0>(each.param)) + "_" +
                                  std::string{to_string(std::get<1>(each.param))};
                         });

TEST_P(ring_select, ends_a_read_that_loses_or_keeps_its_byte) {
  run([] {
    piped here;
    channel<int> numbers{0};
    for (int round = 0; round < 100; ++round) {
      auto buffer = std::make_unique<std::array<std::byte, 1>>();
      auto reading = here.pipe.async_read_at(*buffer, 0);
      auto chosen = start(kind(), async_select(reading, numbers.async_recv()));
      run_until_parked(chosen);
      auto writing = spawn([&] { return await(here.pipe.async_write_at(bytes_of("x"), 0)); });
      auto sending = spawn([&] { return numbers.send(round); });
      auto outcome = chosen.join();
      ASSERT_TRUE(writing.join());
      ASSERT_TRUE(outcome);
      const auto moved = reading.moved();
      const bool has_byte = outcome->index() == 0 || moved;
      if (outcome->index() == 0) {
        ASSERT_EQ(std::get<0>(*outcome), std::size_t{1});
        ASSERT_EQ(numbers.recv(), round);
      }
      ASSERT_TRUE(sending.join());
      if (!has_byte) {
        buffer = std::make_unique<std::array<std::byte, 1>>();
        ASSERT_EQ(await(here.pipe.async_read_at(*buffer, 0)), std::size_t{1}) << "the byte was lost";
      }
      ASSERT_EQ(text_of(*buffer), "x");
    }
  });
}

TEST_P(ring_select, is_cancelled_and_times_out_with_its_buffers_the_callers_again) {
  run([] {
    piped here;
    channel<int> never{0};
    auto wait = [&](auto op, errc expected, duration limit) {
      auto waiting = start(kind(), std::move(op), limit);
      if (expected == errc::cancelled) {
        run_until_parked(waiting);
        waiting.cancel();
      }
      return waiting.join();
    };
    for (auto [why, limit] : {std::pair{errc::cancelled, duration{1h}}, std::pair{errc::timed_out, duration{2ms}}}) {
      auto one = std::make_unique<std::array<std::byte, 1>>(), two = std::make_unique<std::array<std::byte, 1>>();
      auto read = [&](auto& into) { return here.pipe.async_read_at(*into, 0); };
      EXPECT_EQ(wait(async_select(read(one), never.async_recv()), why, limit).error(), why);
      EXPECT_EQ(wait(race(read(one), read(two)), why, limit).error(), why);
      EXPECT_EQ(wait(race(race(read(one), never.async_recv()), race(read(two), async_sleep(1h))), why, limit).error(),
                why);
      auto [first, second, third] = wait(when_all(read(one), never.async_recv(), async_sleep(0s)), why, limit);
      EXPECT_EQ(first.error(), why);
      EXPECT_EQ(second.error(), why);
      EXPECT_TRUE(third);
    }
    // What is written now nobody has asked for in vain.
    ASSERT_TRUE(await(here.pipe.async_write_at(bytes_of("x"), 0)));
    std::array<std::byte, 1> last{};
    EXPECT_EQ(await(here.pipe.async_read_at(last, 0)), std::size_t{1});
  });
}

TEST_P(ring_select, nests) {
  run([] {
    piped here;
    channel<int> numbers{0};
    std::array<std::byte, 1> one{}, two{};
    // The inner race is won, and leaves its loser, while the outer waits on.
    auto waiting = start(kind(), when_all(race(here.pipe.async_read_at(one, 0), numbers.async_recv()),
                                          when_all(async_sleep(1ms), numbers.async_recv())));
    run_until_parked(waiting);
    ASSERT_TRUE(numbers.send(1));
    ASSERT_TRUE(numbers.send(2));
    auto [inner, rest] = waiting.join();
    ASSERT_TRUE(inner);
    EXPECT_EQ(inner->index(), 1u);
    EXPECT_TRUE(std::get<0>(rest));
    EXPECT_TRUE(std::get<1>(rest));
    ASSERT_TRUE(await(here.pipe.async_write_at(bytes_of("x"), 0)));
    EXPECT_EQ(await(here.pipe.async_read_at(two, 0)), std::size_t{1});
  });
}

// What does not compile says why: see check_cases.
static_assert(detail::left_by_request<race_operation<transfer_operation>>);
static_assert(!detail::left_by_request<race_operation<recv_operation>>);
static_assert(detail::piecemeal<send_all_operation>, "being left may find it half sent");
static_assert(detail::selectable<send_operation> && !detail::selectable<send_all_operation>);

}  // namespace
}  // namespace weft
