#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <weft/http/client.hpp>
#include <weft/sync/event.hpp>

#include "tests/support/http/scripted_peers.hpp"
#include "tests/support/http/tcp_peer.hpp"
#include "tests/support/io_fixture.hpp"

namespace weft::http {
namespace {

using namespace std::chrono_literals;
using namespace test;

constexpr std::string_view timed_out_by_peer =
    "HTTP/1.1 408 Request Time-out\r\nContent-length: 0\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n";
constexpr std::string_view too_large = "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n";

result<client_response> put(client& tested, std::string_view where, std::string_view body) {
  return tested.send(url::parse(where).value(), {.method = method::put, .body = body});
}

/// The body that comes back, or why none does.
std::string body_of(result<client_response> got) {
  if (!got) return "error: " + got.error().message();
  auto body = got->body().read_all();
  return body ? *body : "body error: " + body.error().message();
}

// ---- What lies on a connection before its request

TEST(http_client_connection, what_lies_on_a_kept_connection_is_never_the_answer_to_the_next_request) {
  for (auto unasked : {std::string{ok_hello}, std::string{timed_out_by_peer}, std::string{"x"}}) {
    for (auto asked : {method::get, method::put, method::post}) {
      scripted_peers peers;
      peers.next().answers(ok_hello).sends(unasked).answers(ok_hello);
      peers.next().answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright");
      client tested{peers.options()};
      EXPECT_EQ(body_of(get(tested, "http://a/")), "hello");
      EXPECT_EQ(body_of(tested.send(url::parse("http://a/").value(), {.method = asked, .body = "x"})), "right");
      EXPECT_EQ(peers.connected(), 2u);
    }
  }
}

TEST(http_client_connection, each_kept_connection_is_looked_at_before_a_new_one_is_made) {
  scripted_peers peers;
  peers.next().answers(ok_hello).sends(ok_hello);
  peers.next().answers(ok_hello).answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright");
  client tested{peers.options()};
  {
    auto first = get(tested, "http://a/").value();
    EXPECT_EQ(body_of(get(tested, "http://a/")), "hello");
    EXPECT_EQ(first.body().read_all(), "hello");  // kept last, so that it is taken first
  }
  EXPECT_EQ(tested.idle_connections(), 2u);
  EXPECT_EQ(body_of(get(tested, "http://a/")), "right");
  EXPECT_EQ(peers.connected(), 2u);
}

// A proxy that gives up an idle connection at the moment at which the request is sent.
TEST(http_client_connection, a_408_that_closes_a_kept_connection_is_no_answer_to_what_may_be_asked_again) {
  virtual_clock clock;
  for (auto asked : {method::get, method::put}) {
    scripted_peers peers;
    peers.next().answers(ok_hello).waits(1s).sends(timed_out_by_peer);  // the wait: nothing is there at the look
    peers.next().answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright");
    client tested{peers.options()};
    EXPECT_EQ(body_of(get(tested, "http://a/")), "hello");
    EXPECT_EQ(body_of(tested.send(url::parse("http://a/").value(), {.method = asked, .body = "x"})), "right");
  }
}

TEST(http_client_connection, a_408_is_the_answer_to_a_post_and_on_a_new_connection) {
  virtual_clock clock;
  scripted_peers peers;
  peers.next().answers(ok_hello).waits(1s).sends(timed_out_by_peer);
  peers.next().answers(timed_out_by_peer);
  client tested{peers.options()};
  EXPECT_EQ(body_of(get(tested, "http://a/")), "hello");
  EXPECT_EQ(post(tested, "http://a/", "x").value().status(), 408u);
  EXPECT_EQ(get(tested, "http://a/").value().status(), 408u);
  EXPECT_EQ(peers.connected(), 2u);
}

TEST(http_client_connection, a_request_is_tried_again_only_where_no_byte_of_an_answer_came) {
  scripted_peers peers;
  peers.next().answers(ok_hello).answers("HTTP/1.1 2");
  peers.next().answers(ok_hello);
  client tested{peers.options()};
  EXPECT_EQ(body_of(get(tested, "http://a/")), "hello");
  EXPECT_EQ(get(tested, "http://a/").error(), errc::end_of_stream);
  EXPECT_EQ(peers.connected(), 1u);
}

// ---- What arrives while the body is sent

TEST(http_client_connection, a_source_is_not_asked_for_more_once_the_answer_has_come) {
  scripted_peers peers;
  peers.next().answers(too_large).falls_silent();
  client tested{peers.options()};
  int asked = 0;
  auto endless = [&](std::span<std::byte> into) -> result<std::size_t> {
    return ++asked > 1'000 ? result<std::size_t>{0} : into.size();
  };
  auto got = tested.send(url::parse("http://a/").value(), {.method = method::post, .stream = endless});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status(), 413u);
  EXPECT_LT(asked, 10);
  got = failure(errc::closed);
  EXPECT_EQ(tested.idle_connections(), 0u);
}

TEST(http_client_connection, interim_answers_do_not_end_the_sending_and_malformed_ones_do) {
  const std::string large(1'000'000, 'x');
  scripted_peers peers;
  auto& peer = peers.next().answers("HTTP/1.1 102 Processing\r\n\r\n").waits(1h).sends(ok_hello);
  client tested{peers.options()};
  EXPECT_EQ(body_of(put(tested, "http://a/", large)), "hello");
  EXPECT_GT(peer.sends_seen.size(), 1u);
  scripted_peers others;
  others.next().answers("nonsense\r\n\r\n").falls_silent();
  client other{others.options()};
  EXPECT_EQ(put(other, "http://a/", large).error(), errc::malformed);
}

TEST(http_client_connection, a_request_that_expects_100_waits_for_it_before_its_body) {
  virtual_clock clock;
  const client_request request{.method = method::put, .headers = {{"Expect", "100-Continue"}}, .body = "secret"};
  auto where = url::parse("http://a/").value();
  {
    scripted_peers peers;
    auto& peer = peers.next().answers("HTTP/1.1 100 Continue\r\n\r\n").answers(ok_hello);
    client tested{peers.options()};
    EXPECT_EQ(body_of(tested.send(where, request)), "hello");
    ASSERT_EQ(peer.sends_seen.size(), 2u);
    EXPECT_TRUE(peer.sends_seen[0].ends_with("Content-Length: 6\r\n\r\n"));
    EXPECT_EQ(peer.sends_seen[1], "secret");
    EXPECT_EQ(tested.idle_connections(), 1u);
  }
  for (auto list : {", 100-continue", "100-continue ,", "x=\"a,b\", 100-continue"}) {
    scripted_peers peers;
    auto& peer = peers.next().answers("HTTP/1.1 100 Continue\r\n\r\n").answers(ok_hello);
    client tested{peers.options()};
    auto expecting = request;
    expecting.headers = {{"Expect", list}};
    EXPECT_EQ(body_of(tested.send(where, expecting)), "hello");
    ASSERT_EQ(peer.sends_seen.size(), 2u) << list;
    EXPECT_EQ(peer.sends_seen[1], "secret");
  }
  {
    scripted_peers peers;
    auto& peer = peers.next().answers("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
    client tested{peers.options()};
    EXPECT_EQ(tested.send(where, request).value().status(), 417u);
    EXPECT_FALSE(peer.sent.ends_with("secret"));
    EXPECT_EQ(tested.idle_connections(), 0u);  // the peer may wait for the body
  }
  {
    scripted_peers peers;
    auto& peer = peers.next().waits(5s).answers(ok_hello);  // knows no expectations
    client tested{peers.options()};
    EXPECT_EQ(body_of(tested.send(where, request)), "hello");
    EXPECT_TRUE(peer.sent.ends_with("secret"));
  }
}

class http_client_tcp : public weft::testing::io_test {};
WEFT_ON_EVERY_REACTOR(http_client_tcp);

TEST_P(http_client_tcp, bytes_behind_an_answer_are_not_the_next_one) {
  run([] {
    for (auto unasked : {ok_hello, timed_out_by_peer}) {
      event head_is_read;
      tcp_peer peer{{[&](tcp_stream& stream) {
                       recv_head(stream);
                       send_text(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
                       EXPECT_TRUE(head_is_read.wait());
                       // One segment: what was not asked for is there when the answer is.
                       send_text(stream, "first" + std::string{unasked});
                       await_end(stream);
                     },
                     [](tcp_stream& stream) {
                       recv_head(stream);
                       send_text(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright");
                       await_end(stream);
                     }}};
      {
        client tested;
        {
          auto first = get(tested, peer.url_of("/")).value();
          head_is_read.set();
          EXPECT_EQ(first.body().read_all(), "first");
        }
        EXPECT_EQ(body_of(get(tested, peer.url_of("/"))), "right");
        EXPECT_EQ(tested.idle_connections(), 1u);
      }
      peer.join();
    }
  });
}

TEST_P(http_client_tcp, a_refusal_ends_the_sending_whether_the_peer_closes_or_not) {
  run([] {
    enum class afterwards { goes_on, half_closes };
    for (auto then : {afterwards::goes_on, afterwards::half_closes}) {
      for (bool streamed : {false, true}) {
        event client_has_given_up;
        tcp_peer peer{{[&](tcp_stream& stream) {
          recv_head(stream);
          send_text(stream, too_large);
          if (then == afterwards::half_closes) static_cast<void>(stream.shutdown_send());
          EXPECT_TRUE(client_has_given_up.wait());  // reads nothing
        }}};
        client tested;
        const std::string large(streamed ? 0 : 64'000'000, 'x');
        client_request request{.method = method::post, .body = large};
        std::size_t pieces = 0;
        if (streamed) {
          request.stream = [&](std::span<std::byte> into) -> result<std::size_t> {
            return ++pieces > 4'000 ? 0 : into.size();
          };
        }
        auto got = tested.send(url::parse(peer.url_of("/")).value(), request);
        ASSERT_TRUE(got) << got.error().message();
        EXPECT_EQ(got->status(), 413u);
        got = failure(errc::closed);  // closes
        client_has_given_up.set();
        EXPECT_EQ(tested.idle_connections(), 0u);
        peer.join();
      }
    }
  });
}

TEST_P(http_client_tcp, an_answer_that_begins_before_the_body_has_arrived_does_not_cut_it) {
  run([] {
    const std::string large(8'000'000, 'x');
    tcp_peer peer{{[&](tcp_stream& stream) {
      auto early = recv_head(stream);
      send_text(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
      auto begun = early.size() - early.find("\r\n\r\n") - 4;
      auto rest = weft::testing::recv_text(stream, large.size() - begun);
      EXPECT_EQ(begun + rest.size(), large.size());
      send_text(stream, "hello");
      await_end(stream);
    }}};
    {
      client tested;
      EXPECT_EQ(body_of(post(tested, peer.url_of("/"), large)), "hello");
      EXPECT_EQ(tested.idle_connections(), 1u);
    }
    peer.join();
  });
}

}  // namespace
}  // namespace weft::http
