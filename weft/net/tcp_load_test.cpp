#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/net/tcp.hpp>
#include <weft/task/deadline_scope.hpp>

#include "tests/support/descriptor_limit.hpp"
#include "tests/support/io_fixture.hpp"

namespace weft {
namespace {

using namespace testing;

class tcp_load : public io_test {};
class tcp_load_by : public io_waiter_test {};
WEFT_ON_EVERY_REACTOR(tcp_load);
WEFT_ON_EVERY_REACTOR_BY(tcp_load_by, waiter::virtual_thread, waiter::coroutine, waiter::os_thread);

std::string pattern(std::size_t count, unsigned start) {
  std::string text(count, '\0');
  for (std::size_t i = 0; i < count; ++i) text[i] = static_cast<char>('!' + (i * 7 + start) % 90);
  return text;
}

void echo(tcp_stream stream) {
  std::array<std::byte, 4096> buffer;
  while (auto got = stream.recv(buffer)) {
    if (!stream.send_all(std::span{buffer}.first(*got))) break;
  }
}

/// Makes room for `count` more descriptors, as far as the hard limit goes.
void allow_descriptors(std::size_t count) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, open_descriptors() + count));
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_P(tcp_load, a_thousand_connections_are_served_at_the_same_time) {
  allow_descriptors(2200);
  run([] {
    constexpr int connections = 1000, rounds = 5;
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto serving = spawn([&listener] {
      scope echoes;
      while (auto client = listener.accept()) {
        echoes.spawn([stream = std::move(*client)]() mutable { echo(std::move(stream)); });
      }
    });
    // All connected before any speaks, and all stay until the last has been answered.
    std::vector<tcp_stream> clients;
    for (int i = 0; i < connections; ++i) clients.push_back(tcp_stream::connect(listener.local()).value());
    {
      scope talking;
      for (auto& client : clients) {
        talking.spawn([&client, number = &client - clients.data()] {
          for (int round = 0; round < rounds; ++round) {
            auto message = std::to_string(number) + "/" + std::to_string(round);
            ASSERT_TRUE(client.send_all(bytes_of(message)));
            ASSERT_EQ(recv_text(client, message.size()), message);
          }
        });
      }
    }
    clients.clear();
    listener.close();
    serving.join();
  });
}

TEST_P(tcp_load_by, more_than_the_system_holds_arrives_whole_and_in_order) {
  run([] {
    auto [client, server] = connected_pair();
    // Uneven pieces, an empty one, more than one call takes.
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < 200; ++i) texts.push_back(pattern(i % 10 == 3 ? 0 : i * 997 % 60'000, unsigned(i)));
    std::string whole;
    std::vector<std::span<const std::byte>> pieces;
    for (const auto& text : texts) {
      whole += text;
      pieces.push_back(bytes_of(text));
    }
    auto sending = start(kind(), client.async_send_all(pieces));
    run_until_parked(sending);  // nobody reads yet: the system's buffers are full
    EXPECT_EQ(recv_text(server, whole.size()), whole);
    EXPECT_TRUE(sending.join());
  });
}

TEST_P(tcp_load, both_directions_flow_at_the_same_time) {
  run([] {
    auto [client, server] = connected_pair();
    auto there = pattern(5'000'000, 1), back = pattern(5'000'000, 2);
    scope all;
    all.spawn([&, &end = client] { ASSERT_TRUE(end.send_all(bytes_of(there))); });
    all.spawn([&, &end = client] { ASSERT_EQ(recv_text(end, back.size()), back); });
    all.spawn([&, &end = server] { ASSERT_TRUE(end.send_all(bytes_of(back))); });
    all.spawn([&, &end = server] { ASSERT_EQ(recv_text(end, there.size()), there); });
    all.join();
  });
}

TEST_P(tcp_load_by, a_sender_that_waits_for_room_is_woken_by_close_and_by_the_peers_reset) {
  run([] {
    // More than the system takes without anybody reading.
    auto block = pattern(1 << 16, 0);
    std::vector<std::span<const std::byte>> pieces(1000, bytes_of(block));
    for (bool by_peer : {false, true}) {
      auto [client, server] = connected_pair();
      auto waiting = start(kind(), client.async_send_all(pieces));
      run_until_parked(waiting);
      (by_peer ? server : client).close();
      auto sent = waiting.join();
      ASSERT_FALSE(sent);
      if (by_peer) {
        EXPECT_TRUE(sent.error() == std::errc::connection_reset || sent.error() == std::errc::broken_pipe);
      } else {
        EXPECT_EQ(sent.error(), errc::closed);
      }
    }
  });
}

TEST_P(tcp_load_by, accept_says_that_no_descriptors_are_left_and_goes_on_when_there_are) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto client = tcp_stream::connect(listener.local()).value();
    auto second = tcp_stream::connect(listener.local()).value();
    {
      descriptor_limit none{1};
      auto accepted = carry_out(kind(), listener.async_accept());
      ASSERT_TRUE(accepted) << accepted.error().message();
      for (int i = 0; i < 3; ++i) {
        auto refused = carry_out(kind(), listener.async_accept());
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error(), std::errc::too_many_files_open);
      }
      EXPECT_EQ(tcp_stream::connect(listener.local()).error(), std::errc::too_many_files_open);
    }
    auto accepted = carry_out(kind(), listener.async_accept());
    ASSERT_TRUE(accepted) << accepted.error().message();
    ASSERT_TRUE(second.send_all(bytes_of("still here")));
    EXPECT_EQ(recv_text(*accepted, 10), "still here");
  });
}

TEST_P(tcp_load, a_receive_is_one_of_several_things_that_a_select_waits_for) {
  run([] {
    auto [client, server] = connected_pair();
    std::array<std::byte, 8> one, two;
    auto [other_client, other_server] = connected_pair();
    for (int round = 0; round < 50; ++round) {
      auto selecting = spawn(
          [&, &left = server, &right = other_server] { return select(left.async_recv(one), right.async_recv(two)); });
      if (round % 2 == 0) run_until_parked(selecting);
      bool first = round % 3 == 0;
      ASSERT_TRUE((first ? client : other_client).send_all(bytes_of("x")));
      auto chosen = selecting.join();
      ASSERT_TRUE(chosen);
      EXPECT_EQ(chosen->index(), first ? 0u : 1u);
    }
  });
}

// Whatever comes together: answers, cancels, deadlines, closes from elsewhere, in any order.
TEST_P(tcp_load, nothing_is_lost_or_stuck_when_cancels_deadlines_and_closes_meet_events) {
  auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  run([seed] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto serving = spawn([&listener] {
      scope echoes;
      while (auto client = listener.accept()) {
        echoes.spawn([stream = std::move(*client)]() mutable { echo(std::move(stream)); });
      }
    });
    scope all;
    for (unsigned number = 0; number < 40; ++number) {
      all.spawn([&listener, random = std::mt19937{seed + number}]() mutable {
        for (int round = 0; round < 25; ++round) {
          auto client = tcp_stream::connect(listener.local()).value();
          auto message = pattern(1 + random() % 20'000, random());
          auto sending = spawn([&] { return client.send_all(bytes_of(message)); });
          auto limit = std::chrono::microseconds{random() % 3 == 0 ? 50 : 10'000'000};
          auto receiving = spawn([&client, limit, count = message.size()] {
            deadline_scope within{limit};
            return recv_text(client, count);
          });
          auto fate = random() % 4;
          for (unsigned i = random() % 20; i > 0; --i) yield();
          if (fate == 0) receiving.cancel();
          if (fate == 1) client.close();
          if (fate == 2) sending.cancel();
          static_cast<void>(sending.join());
          auto got = receiving.has_ended() || fate == 3 ? receiving.join() : (client.close(), receiving.join());
          ASSERT_EQ(got, message.substr(0, got.size()));
        }
      });
    }
    all.join();
    listener.close();
    serving.join();
  });
}

}  // namespace
}  // namespace weft
