#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

#include <weft/io/byte_stream.hpp>
#include <weft/net/tcp.hpp>
#include <weft/task/deadline_scope.hpp>

#include "tests/support/io_fixture.hpp"

namespace weft {
namespace {

using namespace testing;

class byte_streams : public io_test {};
WEFT_ON_EVERY_REACTOR(byte_streams);

TEST_P(byte_streams, what_has_arrived_is_taken_without_waiting) {
  run([] {
    auto [client, server] = connected_pair();
    std::array<std::byte, 8> buffer;
    EXPECT_EQ(client.try_recv(buffer), 0u);
    ASSERT_TRUE(server.send_all(bytes_of("hello")));
    auto got = client.try_recv(buffer);
    while (got == 0u) {
      yield();
      got = client.try_recv(buffer);
    }
    EXPECT_EQ(text_of(std::span{buffer}.first(got.value())), "hello");
    EXPECT_EQ(client.try_recv(buffer), 0u);
    server.close();
    while (client.try_recv(buffer) == 0u) yield();
    EXPECT_EQ(client.try_recv(buffer).error(), errc::end_of_stream);
    client.close();
    EXPECT_EQ(client.try_recv(buffer).error(), errc::closed);
    EXPECT_EQ(tcp_stream{}.try_recv(buffer).error(), errc::closed);
  });
}

/// A stream that has nothing but what it must have.
class simple_stream final : public byte_stream {
 public:
  explicit simple_stream(tcp_stream& over) : over_{over} {}
  result<std::size_t> recv(std::span<std::byte> into) override { return over_.recv(into); }
  result<std::size_t> send(std::span<const std::byte> from) override { return over_.send(from); }
  result<void> shutdown_send() override { return over_.shutdown_send(); }
  void close() noexcept override { over_.close(); }

 private:
  tcp_stream& over_;
};

TEST_P(byte_streams, a_look_sees_what_is_there_however_often_it_is_taken_and_under_any_deadline) {
  run([] {
    constexpr std::size_t looks = 1'000;
    auto [client, server] = connected_pair();
    simple_stream tested{client};
    ASSERT_TRUE(server.send_all(std::vector<std::byte>(looks + 1)));
    std::byte one;
    ASSERT_EQ(tested.recv({&one, 1}), 1u);  // the rest came with it
    for (std::size_t look = 0; look < looks; ++look) {
      deadline_scope within{std::chrono::hours{1}};
      ASSERT_EQ(tested.try_recv({&one, 1}), 1u) << look;
    }
    EXPECT_EQ(tested.try_recv({&one, 1}), 0u);
  });
}

struct heard {
  std::size_t sent = 0;
  std::string text;
  std::error_code error;
};

/// Sends until something arrives.
heard send_until_heard(byte_stream& stream) {
  const std::vector<std::byte> piece(1 << 16);
  std::array<std::byte, 16> buffer;
  heard all;
  while (all.text.empty() && !all.error) {
    auto done = stream.send_or_recv(piece, buffer);
    if (!done) {
      all.error = done.error();
    } else {
      EXPECT_NE(done->sent == 0, done->received == 0);
      all.sent += done->sent;
      all.text = text_of(std::span{buffer}.first(done->received));
    }
  }
  return all;
}

TEST_P(byte_streams, a_sender_hears_what_arrives_and_is_cancelled_without_loss) {
  run([] {
    for (bool simple : {false, true}) {
      auto [client, server] = connected_pair();
      simple_stream over{client};
      byte_stream& tested = simple ? static_cast<byte_stream&>(over) : client;
      std::size_t sent = 0;
      for (bool hears : {true, false}) {
        auto sending = spawn([&] { return send_until_heard(tested); });
        if (!simple) run_until_parked(sending);  // there is no room left
        if (hears) {
          ASSERT_TRUE(server.send_all(bytes_of("stop")));
        } else {
          sending.cancel();
        }
        auto all = sending.join();
        EXPECT_EQ(all.text, hears ? "stop" : "");
        EXPECT_EQ(all.error, hears ? std::error_code{} : make_error_code(errc::cancelled));
        sent += all.sent;
      }
      ASSERT_TRUE(client.shutdown_send());
      EXPECT_EQ(recv_text(server, sent + 1).size(), sent);
    }
  });
}

TEST_P(byte_streams, a_sender_that_listens_sees_deadlines_and_the_end) {
  run([] {
    for (bool simple : {false, true}) {
      for (bool on_os_thread : {false, true}) {
        auto [client, server] = connected_pair();
        simple_stream over{client};
        byte_stream& tested = simple ? static_cast<byte_stream&>(over) : client;
        auto tries = [&](duration limit) {
          auto work = [&] {
            deadline_scope within{limit};
            return send_until_heard(tested);
          };
          return on_os_thread ? blocking(work) : work();
        };
        EXPECT_EQ(tries(std::chrono::milliseconds{30}).error, errc::timed_out);
        ASSERT_TRUE(server.send_all(bytes_of("stop")));
        EXPECT_EQ(tries(std::chrono::hours{1}).text, "stop");
        ASSERT_TRUE(server.shutdown_send());
        EXPECT_EQ(tries(std::chrono::hours{1}).error, errc::end_of_stream);
      }
    }
  });
}

}  // namespace
}  // namespace weft
