#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <thread>

#include <weft/combine/shield.hpp>
#include <weft/combine/when_any.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/http/client.hpp>
#include <weft/runtime/run.hpp>
#include <weft/sync/event.hpp>
#include <weft/task/deadline_scope.hpp>

#include "tests/support/http/scripted_peers.hpp"
#include "tests/support/http/tcp_peer.hpp"
#include "tests/support/io_fixture.hpp"

namespace weft::http {
namespace {

using namespace std::chrono_literals;
using namespace test;

url localhost(const tcp_peer& peer) { return {.host = "localhost", .port = peer.port()}; }

/// Answers "hello" to each request of one connection, and closes it with its client.
void say_hello(tcp_stream& stream) {
  while (!recv_head(stream).empty()) send_text(stream, ok_hello);
}

class http_client_async : public weft::testing::io_test {};
WEFT_ON_EVERY_REACTOR(http_client_async);

TEST_P(http_client_async, a_coroutine_sends_and_reads_on_a_new_connection_and_on_a_kept_one) {
  run([] {
    tcp_peer peer{{say_hello}};
    {
      client tested;
      spawn([&]() -> task<void> {
        for (std::size_t kept = 0; kept < 2; ++kept) {
          EXPECT_EQ(tested.idle_connections(), kept);
          auto response = co_await tested.async_send(localhost(peer), {});
          if (!response) throw std::system_error{response.error()};
          EXPECT_EQ(response->status(), 200u);
          auto text = co_await response->body().async_read_all();
          EXPECT_EQ(text, "hello");
        }
        EXPECT_EQ(tested.idle_connections(), 1u);
      }).join();
    }
    peer.join();
  });
}

TEST_P(http_client_async, a_body_is_read_piece_by_piece_as_it_comes) {
  run([] {
    event first_is_read;
    tcp_peer peer{{[&](tcp_stream& stream) {
      recv_head(stream);
      send_text(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfir");
      EXPECT_TRUE(first_is_read.wait());
      send_text(stream, "\r\n2\r\nst\r\n0\r\n\r\n");
      await_end(stream);
    }}};
    {
      client tested;
      spawn([&]() -> task<void> {
        auto response = co_await tested.async_send(localhost(peer), {});
        if (!response) throw std::system_error{response.error()};
        std::array<std::byte, 16> buffer;
        std::string all;
        while (true) {
          auto got = co_await response->body().async_read(buffer);
          if (!got || *got == 0) break;
          all += weft::testing::text_of(std::span{buffer}.first(*got));
          if (all == "fir") first_is_read.set();
        }
        EXPECT_EQ(all, "first");
        EXPECT_TRUE(response->body().finished());
      }).join();
    }
    peer.join();
  });
}

/// Serves one request that is never answered; `asked` once it has come.
tcp_peer::serve never_answered(event& asked) {
  return [&asked](tcp_stream& stream) {
    recv_head(stream);
    asked.set();
    await_end(stream);
  };
}

TEST_P(http_client_async, a_cancel_a_deadline_and_another_case_end_the_exchange) {
  run([] {
    event asked[3], never;
    tcp_peer peer{{never_answered(asked[0]), never_answered(asked[1]), never_answered(asked[2])}};
    client tested;
    auto cancelled_one =
        spawn([&]() -> task<std::error_code> { co_return (co_await tested.async_send(localhost(peer), {})).error(); });
    EXPECT_TRUE(asked[0].wait());
    cancelled_one.cancel();
    EXPECT_EQ(cancelled_one.join(), errc::cancelled);

    event other;
    auto selecting = spawn([&]() -> task<std::size_t> {
      auto first = co_await when_any(tested.async_send(localhost(peer), {}), other.async_wait());
      co_return first->index();
    });
    EXPECT_TRUE(asked[1].wait());
    other.set();
    EXPECT_EQ(selecting.join(), 1u);

    auto late = spawn([&]() -> task<std::error_code> {
      co_return (co_await with_timeout(tested.async_send(localhost(peer), {}), 20ms)).error();
    });
    EXPECT_EQ(late.join(), errc::timed_out);
    EXPECT_EQ(tested.idle_connections(), 0u);
    peer.join();
  });
}

TEST_P(http_client_async, the_deadline_of_the_coroutine_holds_for_the_exchange_and_for_the_body) {
  run([] {
    event asked;
    tcp_peer peer{{never_answered(asked), [](tcp_stream& stream) {
                     recv_head(stream);
                     send_text(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
                     await_end(stream);
                   }}};
    client tested;
    spawn([&]() -> task<void> {
      {
        deadline_scope within{20ms};
        auto response = co_await tested.async_send(localhost(peer), {});
        EXPECT_EQ(response.error(), errc::timed_out);
      }
      auto response = co_await tested.async_send(localhost(peer), {});
      if (!response) throw std::system_error{response.error()};
      deadline_scope within{20ms};
      auto text = co_await response->body().async_read_all();
      EXPECT_EQ(text.error(), errc::timed_out);
    }).join();
    peer.join();
  });
}

TEST_P(http_client_async, virtual_threads_and_os_threads_carry_the_operation_out_as_well) {
  run([] {
    tcp_peer peer{{say_hello}};
    {
      client tested;
      EXPECT_EQ(await(tested.async_send(localhost(peer), {})).value().body().read_all(), "hello");
      blocking([&] {
        auto response = await(tested.async_send(localhost(peer), {})).value();
        EXPECT_EQ(await(response.body().async_read_all()), "hello");
      });
      EXPECT_EQ(tested.idle_connections(), 1u);
    }
    peer.join();
  });
}

// The plain form stops the coroutine's seat for as long, which is reported, and works all the same.
TEST(http_client_in_place, a_coroutine_may_use_the_plain_form_whether_a_connection_is_kept_or_not) {
  for (std::size_t seats : {1, 3}) {
    for (auto reactor : {reactor_kind::epoll, reactor_kind::io_uring}) {
      if (reactor == reactor_kind::io_uring && !io::make_io_uring_reactor()) continue;
      auto listener = tcp_listener::bind("127.0.0.1:0").value();
      std::thread serving{[&] {
        auto stream = listener.accept().value();
        say_hello(stream);
      }};
      std::atomic<int> told = 0;
      std::optional<client> tested{std::in_place};
      auto ask = [&]() -> task<void> {
        for (int i = 0; i < 3; ++i) {
          auto response = tested->send({.host = "localhost", .port = listener.local().port()}, {});
          if (!response) throw std::system_error{response.error()};
          EXPECT_EQ(response->body().read_all(), "hello");
        }
        co_return;
      };
      weft::run({.seats = seats, .reactor = reactor, .report = [&](std::string_view) { ++told; }},
                [&] { spawn(ask).join(); });
      EXPECT_EQ(tested->idle_connections(), 1u);
      EXPECT_GT(told, 0);
      tested.reset();
      serving.join();
    }
  }
}

TEST(http_client_in_place, a_deadline_of_the_coroutine_ends_the_plain_form) {
  auto listener = tcp_listener::bind("127.0.0.1:0").value();  // accepts nothing
  client tested;
  auto ask = [&]() -> task<std::error_code> {
    deadline_scope within{20ms};
    co_return tested.send({.host = "localhost", .port = listener.local().port()}, {}).error();
  };
  weft::run({.seats = 1, .report = [](std::string_view) {}}, [&] { EXPECT_EQ(spawn(ask).join(), errc::timed_out); });
}

}  // namespace
}  // namespace weft::http
