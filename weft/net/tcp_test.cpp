#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <thread>

#include <weft/net/tcp.hpp>
#include <weft/task/deadline_scope.hpp>

#include "tests/support/io_fixture.hpp"

namespace weft {
namespace {

using namespace testing;

class tcp : public io_test {};
class tcp_by : public io_waiter_test {};
class tcp_by_task : public io_waiter_test {};  // plain OS threads are not cancelled
WEFT_ON_EVERY_REACTOR(tcp);
WEFT_ON_EVERY_REACTOR_BY(tcp_by, waiter::virtual_thread, waiter::coroutine, waiter::os_thread);
WEFT_ON_EVERY_REACTOR_BY(tcp_by_task, waiter::virtual_thread, waiter::coroutine);

/// Sends back what it receives until the peer ends.
void echo(tcp_stream stream) {
  std::array<std::byte, 4096> buffer;
  while (auto got = stream.recv(buffer)) ASSERT_TRUE(stream.send_all(std::span{buffer}.first(*got)));
}

// ---- the plain way

TEST_P(tcp_by, a_message_goes_there_and_back) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto accepting = start(kind(), listener.async_accept());
    auto client = carry_out(kind(), tcp_stream::async_connect(listener.local())).value();
    auto echoing = spawn([server = accepting.join().value()]() mutable { echo(std::move(server)); });
    for (auto message : {"hello", "again"}) {
      auto bytes = bytes_of(message);
      ASSERT_EQ(carry_out(kind(), client.async_send(bytes)).value(), 5u);
      std::array<std::byte, 16> buffer;
      auto got = carry_out(kind(), client.async_recv(buffer)).value();
      EXPECT_EQ(text_of(std::span{buffer}.first(got)), message);
    }
    client.close();
    echoing.join();
  });
}

TEST_P(tcp, both_ends_know_their_addresses) {
  run([] {
    for (auto address : {"127.0.0.1:0", "[::1]:0"}) {
      auto listener = tcp_listener::bind(address);
      if (!listener) continue;  // no IPv6 on this machine
      auto client = tcp_stream::connect(listener->local()).value();
      auto server = listener->accept().value();
      EXPECT_EQ(client.peer(), listener->local());
      EXPECT_EQ(server.local(), listener->local());
      EXPECT_EQ(client.local(), server.peer());
    }
  });
}

TEST_P(tcp_by, the_end_of_what_the_peer_sends_is_not_the_end_of_what_it_receives) {
  run([] {
    auto [client, server] = connected_pair();
    ASSERT_TRUE(client.send_all(bytes_of("question")));
    ASSERT_TRUE(client.shutdown_send());
    EXPECT_EQ(recv_text(server, 8), "question");
    std::array<std::byte, 8> buffer;
    EXPECT_EQ(carry_out(kind(), server.async_recv(buffer)).error(), errc::end_of_stream);
    EXPECT_EQ(carry_out(kind(), server.async_recv(buffer)).error(), errc::end_of_stream) << "the end stays";
    ASSERT_TRUE(server.send_all(bytes_of("answer")));
    server.close();
    EXPECT_EQ(recv_text(client, 100), "answer");
  });
}

TEST_P(tcp_by, a_waiting_receiver_is_told_that_the_peer_ended) {
  run([] {
    auto [client, server] = connected_pair();
    std::array<std::byte, 8> buffer;
    auto waiting = start(kind(), server.async_recv(buffer));
    run_until_parked(waiting);
    client.close();
    EXPECT_EQ(waiting.join().error(), errc::end_of_stream);
  });
}

TEST_P(tcp_by, a_waiting_receiver_is_told_that_the_peer_reset_the_connection) {
  run([] {
    auto [client, server] = connected_pair();
    // Closing with unread bytes resets.
    ASSERT_TRUE(server.send_all(bytes_of("never read")));
    std::array<std::byte, 8> buffer;
    auto waiting = start(kind(), server.async_recv(buffer));
    run_until_parked(waiting);
    client.close();
    auto error = waiting.join().error();
    EXPECT_TRUE(error == std::errc::connection_reset || error == errc::end_of_stream) << error.message();
    // What is sent to a peer that is gone fails in the end, and no signal ends the program.
    result<std::size_t> sent{0};
    while (sent) sent = server.send(bytes_of("anybody there?"));
    EXPECT_TRUE(sent.error() == std::errc::broken_pipe || sent.error() == std::errc::connection_reset);
  });
}

// ---- closing

TEST_P(tcp_by, close_wakes_a_waiting_receiver) {
  run([] {
    auto [client, server] = connected_pair();
    std::array<std::byte, 8> buffer;
    auto waiting = start(kind(), server.async_recv(buffer));
    run_until_parked(waiting);
    server.close();
    EXPECT_EQ(waiting.join().error(), errc::closed);
    EXPECT_EQ(carry_out(kind(), server.async_recv(buffer)).error(), errc::closed);
    EXPECT_EQ(carry_out(kind(), server.async_send(buffer)).error(), errc::closed);
    EXPECT_EQ(server.shutdown_send().error(), errc::closed);
    EXPECT_EQ(server.peer().error(), errc::closed);
    server.close();  // again is harmless
    EXPECT_EQ(client.recv(buffer).error(), errc::end_of_stream) << "the peer is told at once";
  });
}

TEST_P(tcp_by, close_wakes_everybody_who_waits_for_a_connection) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto one = start(kind(), listener.async_accept());
    auto two = start(kind(), listener.async_accept());
    run_until_parked(one);
    run_until_parked(two);
    listener.close();
    EXPECT_EQ(one.join().error(), errc::closed);
    EXPECT_EQ(two.join().error(), errc::closed);
    EXPECT_EQ(carry_out(kind(), listener.async_accept()).error(), errc::closed);
  });
}

TEST_P(tcp, a_closed_listener_lets_its_address_go_at_once) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto waiting = start(waiter::virtual_thread, listener.async_accept());
    run_until_parked(waiting);
    auto address = listener.local();
    EXPECT_EQ(tcp_listener::bind(address).error(), std::errc::address_in_use);
    listener.close();
    EXPECT_TRUE(tcp_listener::bind(address));
    EXPECT_FALSE(waiting.join());
  });
}

TEST_P(tcp, a_stream_that_was_never_connected_is_closed) {
  run([] {
    tcp_stream stream;
    std::array<std::byte, 8> buffer;
    EXPECT_EQ(stream.recv(buffer).error(), errc::closed);
    EXPECT_EQ(stream.send(buffer).error(), errc::closed);
    stream.close();
    EXPECT_EQ(tcp_listener{}.accept().error(), errc::closed);
  });
}

TEST_P(tcp_by, what_happened_to_a_closed_connection_is_no_news_for_the_next_one_of_that_number) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    std::array<std::byte, 8> buffer;
    for (int round = 0; round < 200; ++round) {
      auto old_peer = tcp_stream::connect(listener.local()).value();
      auto old_end = listener.accept().value();
      // Registers it.
      auto waiting = start(kind(), old_end.async_recv(buffer));
      run_until_parked(waiting);
      // An event that nobody reaps before the number has its next life.
      ASSERT_TRUE(old_peer.send_all(bytes_of("old")));
      old_peer.close();
      old_end.close();
      auto told = waiting.join();
      ASSERT_TRUE(!told || *told == 3);
      auto new_peer = tcp_stream::connect(listener.local()).value();
      auto new_end = listener.accept().value();
      auto waits_anew = start(kind(), new_end.async_recv(buffer));
      run_until_parked(waits_anew);
      EXPECT_EQ(old_end.recv(buffer).error(), errc::closed) << "the old handle reaches the new connection";
      ASSERT_TRUE(new_peer.send_all(bytes_of("new")));
      auto got = waits_anew.join();
      ASSERT_TRUE(got) << got.error().message();
      ASSERT_EQ(text_of(std::span{buffer}.first(*got)), "new");
    }
  });
}

TEST_P(tcp_by, a_connection_that_is_closed_while_the_peer_waits_to_send_is_gone) {
  run([] {
    const std::vector<std::byte> flood(32u << 20);  // far more than what sockets hold
    for (int round = 0; round < 5; ++round) {
      auto [client, server] = connected_pair();
      std::array<std::byte, 1> buffer;
      auto receiving = start(kind(), server.async_recv(buffer));
      run_until_parked(receiving);  // registers it
      auto sending = spawn([&] {
        const deadline_scope within{std::chrono::seconds{20}};
        return client.send_all(flood);
      });
      ASSERT_TRUE(receiving.join());
      run_until_parked(sending);
      // Were the connection still the system's, for whatever holds it, the peer would go on waiting.
      server.close();
      const auto error = sending.join().error();
      ASSERT_TRUE(error == std::errc::broken_pipe || error == std::errc::connection_reset) << error.message();
    }
  });
}

// ---- cancelling and deadlines

TEST_P(tcp_by_task, cancelling_a_waiting_receiver_loses_no_byte) {
  run([] {
    auto [client, server] = connected_pair();
    for (int round = 0; round < 100; ++round) {
      std::array<std::byte, 8> buffer;
      auto waiting = start(kind(), server.async_recv(buffer));
      if (round % 2 == 0) run_until_parked(waiting);
      // Cancelled and served at the same time: either it has the byte or the next one gets it.
      auto sending = spawn([&client] { return client.send_all(bytes_of("x")); });
      waiting.cancel();
      ASSERT_TRUE(sending.join());
      auto got = waiting.join();
      if (!got) {
        ASSERT_EQ(got.error(), errc::cancelled);
        ASSERT_EQ(recv_text(server, 1), "x");
      } else {
        ASSERT_EQ(*got, 1u);
      }
    }
  });
}

TEST_P(tcp_by_task, cancelling_a_waiting_accept_loses_no_connection) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto waiting = start(kind(), listener.async_accept());
    run_until_parked(waiting);
    waiting.cancel();
    EXPECT_EQ(waiting.join().error(), errc::cancelled);
    auto client = tcp_stream::connect(listener.local()).value();
    EXPECT_TRUE(listener.accept());
  });
}

TEST_P(tcp, cancelling_a_connect_leaves_nothing_behind) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0", {.backlog = 0}).value();
    std::vector<tcp_stream> waiting_inside;
    // Once it is full, the system answers nobody; before, some are quicker than their cancel.
    while (true) {
      auto connecting = spawn([&] { return tcp_stream::connect(listener.local()); });
      run_until_parked(connecting);
      connecting.cancel();
      auto connected = connecting.join();
      if (!connected) {
        EXPECT_EQ(connected.error(), errc::cancelled);
        break;
      }
      waiting_inside.push_back(std::move(*connected));
    }
  });
}

TEST_P(tcp_by, a_deadline_ends_a_wait_and_loses_no_byte) {
  // Hours on the virtual clock; an OS thread waits in real time.
  std::optional<virtual_clock> clock;
  if (kind() != waiter::os_thread) clock.emplace();
  run([] {
    auto [client, server] = connected_pair();
    std::array<std::byte, 8> buffer;
    auto limit = kind() == waiter::os_thread ? duration{std::chrono::milliseconds{5}} : std::chrono::hours{1};
    auto receive = [&, &end = server] { return carry_out(kind(), end.async_recv(buffer), limit); };
    EXPECT_EQ(receive().error(), errc::timed_out);
    ASSERT_TRUE(client.send_all(bytes_of("late")));
    EXPECT_EQ(receive(), std::size_t{4});
    EXPECT_EQ(text_of(std::span{buffer}.first(4)), "late");
  });
}

// ---- failing

TEST_P(tcp_by, a_connect_that_nobody_listens_for_is_refused) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto nobody = listener.local();
    listener.close();
    auto refused = carry_out(kind(), tcp_stream::async_connect(nobody));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), std::errc::connection_refused);
  });
}

TEST_P(tcp, an_address_that_is_taken_malformed_or_not_ours_is_refused) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    EXPECT_EQ(tcp_listener::bind(listener.local()).error(), std::errc::address_in_use);
    EXPECT_EQ(tcp_listener::bind("localhost:80").error(), errc::not_numeric);
    EXPECT_EQ(tcp_listener::bind("192.0.2.1:0").error(), std::errc::address_not_available);
  });
}

TEST_P(tcp, the_value_of_a_failed_call_throws_the_reason) {
  run([] {
    auto reason = [](auto failed) -> std::string {
      try {
        static_cast<void>(failed.value());
      } catch (const std::bad_expected_access<error>& thrown) {
        EXPECT_EQ(thrown.error(), failed.error());
        return thrown.what();
      }
      return "nothing was thrown";
    };
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    EXPECT_TRUE(reason(tcp_listener::bind(listener.local())).contains("Address already in use"));
    EXPECT_TRUE(reason(tcp_listener::bind("localhost:80")).contains("not a numeric address"));
    EXPECT_TRUE(reason(tcp_listener::bind(":8080")).contains("no address before the port"));
    EXPECT_TRUE(reason(tcp_listener::bind("8080")).contains("no port"));
  });
}

}  // namespace
}  // namespace weft
