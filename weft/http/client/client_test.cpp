#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include <weft/http/client.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>
#include <weft/net/tcp.hpp>
#include <weft/task/deadline_scope.hpp>

#include "tests/support/http/scripted_peers.hpp"
#include "tests/support/io_fixture.hpp"

namespace weft::http {
namespace {

using namespace std::chrono_literals;
using namespace test;

std::string body_of(result<client_response> got) {
  if (!got) return "error: " + got.error().message();
  auto body = got->body().read_all();
  return body ? *body : "body error: " + body.error().message();
}

/// The body of what GET gets, or the error.
std::string body_for(std::string_view response, client_options options = {}) {
  scripted_peers peers;
  peers.next().sends(response);
  options.connect = peers.options().connect;
  client tested{std::move(options)};
  return body_of(get(tested, "http://a/"));
}

TEST(http_client, a_request_is_one_send_with_what_the_server_needs) {
  scripted_peers peers;
  auto& peer = peers.next().answers(ok_hello).answers(ok_hello);
  client tested{peers.options()};
  EXPECT_EQ(post(tested, "http://a.example:81/", "abc").value().body().read_all(), "hello");
  EXPECT_EQ(get(tested, "http://A.example:81/x?y=1#z").value().body().read_all(), "hello");
  ASSERT_EQ(peer.sends_seen.size(), 2u);
  EXPECT_EQ(peer.sends_seen[0],
            "POST / HTTP/1.1\r\nHost: a.example:81\r\nUser-Agent: weft\r\nContent-Type: text/plain\r\nContent-Length: "
            "3\r\n\r\nabc");
  EXPECT_EQ(peer.sends_seen[1], "GET /x?y=1 HTTP/1.1\r\nHost: A.example:81\r\nUser-Agent: weft\r\n\r\n");
}

TEST(http_client, the_user_agent_is_the_clients_the_requests_or_none) {
  auto sent_with = [](std::string agent, std::vector<header_field> headers) {
    scripted_peers peers;
    auto& peer = peers.next().answers(ok_hello);
    auto options = peers.options();
    options.user_agent = std::move(agent);
    client tested{options};
    EXPECT_TRUE(tested.send(url{.host = "a"}, {.headers = std::move(headers)}));
    return peer.sent;
  };
  EXPECT_EQ(sent_with("mine/1", {}), "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: mine/1\r\n\r\n");
  EXPECT_EQ(sent_with("mine/1", {{"user-agent", "other"}}), "GET / HTTP/1.1\r\nHost: a\r\nuser-agent: other\r\n\r\n");
  EXPECT_EQ(sent_with("", {}), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(http_client, what_a_target_may_not_have_is_escaped_or_refused) {
  scripted_peers peers;
  auto& peer = peers.next();
  client tested{peers.options()};
  auto line_for = [&](std::string target) {
    peer.answers(ok_hello);
    EXPECT_EQ(tested.send(url{.host = "a", .target = target}, {}).value().body().read_all(), "hello") << target;
    return peer.sends_seen.back().substr(0, peer.sends_seen.back().find(" HTTP/1.1\r\n"));
  };
  EXPECT_EQ(line_for("/a\"<>\\^`{|}#[]?x=\"[1]"), "GET /a%22%3C%3E%5C%5E%60%7B%7C%7D%23%5B%5D?x=%22%5B1%5D");
  EXPECT_EQ(line_for("/gr\xc3\xbc\xc3\x9f"), "GET /gr%C3%BC%C3%9F");
  EXPECT_EQ(line_for("/%41%zz%2?100%"), "GET /%41%25zz%252?100%25");
  EXPECT_EQ(line_for("/-._~!$&'()*+,;=:@/?"), "GET /-._~!$&'()*+,;=:@/?");
  for (auto target : {"/a b", "/a\r\nX: y", "/a\tb", "", "a", "*"}) {
    EXPECT_EQ(tested.send(url{.host = "a", .target = target}, {}).error(), errc::malformed) << target;
  }
  for (auto host : {"", "a b", "a\r\nX: y", "a/b", "a@b", "::g", "[::1]", "a%41"}) {
    EXPECT_EQ(tested.send(url{.host = host}, {}).error(), errc::malformed) << host;
  }
  peer.answers(ok_hello);
  EXPECT_TRUE(tested.send(url{.host = "a", .target = "*"}, {.method = method::options}));
  EXPECT_EQ(peers.connected(), 1u);
}

TEST(http_client, every_framing_of_a_body_is_understood) {
  EXPECT_EQ(body_for(ok_hello), "hello");
  EXPECT_EQ(body_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nT: x\r\n\r\n"),
            "hello");
  EXPECT_EQ(body_for("HTTP/1.1 200 OK\r\n\r\nhello"), "hello");
  EXPECT_EQ(body_for("HTTP/1.1 204 No Content\r\n\r\n"), "");
  EXPECT_EQ(
      body_for("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + std::string{ok_hello}),
      "hello");
}

TEST(http_client, fields_that_are_lists_are_read_as_lists) {
  constexpr std::string_view chunks = "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
  for (auto value : {", chunked", "chunked ,", "Chunked", ",\r\nTransfer-Encoding: chunked"}) {
    scripted_peers peers;
    peers.next().answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + std::string{value} + "\r\n\r\n" +
                         std::string{chunks});
    client tested{peers.options()};
    EXPECT_EQ(body_of(get(tested, "http://a/")), "hello") << value;
    EXPECT_EQ(tested.idle_connections(), 1u) << value;
  }
  EXPECT_EQ(body_for("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"), "hello");
  EXPECT_EQ(body_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello"), "hello");
}

TEST(http_client, a_coding_that_is_not_known_is_an_error) {
  for (auto value : {"gzip", "gzip, chunked", "gzip;x=\"a,b\", chunked", "chunked, gzip"}) {
    auto head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + std::string{value} + "\r\n\r\n";
    EXPECT_EQ(body_for(head + "0\r\n\r\n"), "error: malformed") << value;
  }
}

TEST(http_client, a_status_line_without_a_reason_or_of_a_later_minor_version_is_understood) {
  for (auto line : {"HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 OK", "HTTP/1.2 200 OK", "HTTP/1.9 200"}) {
    EXPECT_EQ(body_for(std::string{line} + "\r\nContent-Length: 5\r\n\r\nhello"), "hello") << line;
  }
  for (auto line : {"HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 20x", "HTTP/2.0 200 OK", "HTTP/1.1200 OK"}) {
    EXPECT_EQ(body_for(std::string{line} + "\r\nContent-Length: 5\r\n\r\nhello"), "error: malformed") << line;
  }
}

TEST(http_client, a_folded_header_line_is_read_as_one) {
  for (std::size_t cut = 0; cut < 100; ++cut) {
    const std::string text =
        "HTTP/1.1 200\r\nX: a \r\n\t b\r\n  c\r\nTransfer-Encoding:\r\n chunked\r\nY: d\r\n "
        "\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    scripted_peers peers;
    peers.next().sends(text.substr(0, cut)).sends(text.substr(std::min(cut, text.size()))).falls_silent();
    client tested{peers.options()};
    auto got = get(tested, "http://a/");
    ASSERT_TRUE(got) << cut;
    EXPECT_EQ(got->header("x"), "a b c");
    EXPECT_EQ(got->header("y"), "d");
    EXPECT_EQ(got->body().read_all(), "hello");
  }
  EXPECT_EQ(body_for("HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 5\r\n\r\nhello"), "error: malformed");
}

TEST(http_client, only_the_statuses_that_have_no_body_are_taken_for_having_none) {
  EXPECT_EQ(body_for("HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello"), "hello");
  EXPECT_EQ(body_for("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), "");
  EXPECT_EQ(body_for("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"), "");
}

TEST(http_client, the_response_is_the_same_however_it_is_cut) {
  for (std::string text :
       {std::string{"HTTP/1.1 100 Continue\r\n\r\n"} + std::string{ok_hello},
        std::string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}}) {
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      scripted_peers peers;
      peers.next().sends(text.substr(0, cut)).sends(text.substr(cut)).falls_silent();
      client tested{peers.options()};
      {
        auto got = get(tested, "http://a/");
        ASSERT_TRUE(got) << cut;
        ASSERT_EQ(got->body().read_all(), "hello") << cut;
      }
      ASSERT_EQ(tested.idle_connections(), 1u) << cut;
    }
  }
}

TEST(http_client, malformed_and_truncated_responses_are_errors) {
  for (auto response :
       {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"}) {
    EXPECT_EQ(body_for(response), "error: malformed") << response;
  }
  EXPECT_EQ(body_for(""), "error: end of stream");
  EXPECT_EQ(body_for("HTTP/1.1 200 O"), "error: end of stream");
  EXPECT_EQ(body_for("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), "body error: end of stream");
  EXPECT_EQ(body_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
            "body error: end of stream");
  EXPECT_EQ(body_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"), "body error: malformed");
}

TEST(http_client, limits_hold_at_their_edge) {
  client_options options{.max_header_bytes = ok_hello.size() - 5};
  EXPECT_EQ(body_for(ok_hello, options), "hello");
  --options.max_header_bytes;
  EXPECT_EQ(body_for(ok_hello, options), "error: larger than the limit");
  for (auto response : {std::string{ok_hello}, std::string{"HTTP/1.1 200 OK\r\n\r\nhello"},
                        std::string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}}) {
    EXPECT_EQ(body_for(response, {.max_body_bytes = 5}), "hello");
    EXPECT_EQ(body_for(response, {.max_body_bytes = 4}), "body error: larger than the limit") << response;
  }
}

TEST(http_client, a_connection_is_used_again_only_when_the_response_was_read_to_its_end) {
  scripted_peers peers;
  peers.next().answers(ok_hello).answers(ok_hello).answers(ok_hello);
  peers.next().sends("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  peers.next().answers(std::string{ok_hello} + "unasked");
  peers.next().answers(ok_hello);
  client tested{peers.options()};
  EXPECT_EQ(get(tested, "http://a/").value().body().read_all(), "hello");
  EXPECT_EQ(get(tested, "http://a/").value().body().read_all(), "hello");
  EXPECT_EQ(peers.connected(), 1u);
  static_cast<void>(get(tested, "http://a/"));  // not read
  EXPECT_EQ(tested.idle_connections(), 0u);
  EXPECT_TRUE(get(tested, "http://a/"));  // the server closes
  EXPECT_EQ(tested.idle_connections(), 0u);
  EXPECT_EQ(get(tested, "http://a/").value().body().read_all(), "hello");  // and then more
  EXPECT_EQ(tested.idle_connections(), 0u);
  EXPECT_EQ(get(tested, "http://a/").value().body().read_all(), "hello");
  EXPECT_EQ(peers.connected(), 4u);
  EXPECT_EQ(tested.idle_connections(), 1u);
  EXPECT_FALSE(get(tested, "http://b/"));  // another host has no connection
}

TEST(http_client, a_head_response_has_no_body_and_leaves_the_connection_usable) {
  scripted_peers peers;
  peers.next().answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").answers(ok_hello);
  client tested{peers.options()};
  {
    auto got = tested.send(url::parse("http://a/").value(), {.method = method::head});
    ASSERT_TRUE(got);
    EXPECT_EQ(got->header("content-length"), "5");
    EXPECT_EQ(got->body().read_all(), "");
  }
  EXPECT_EQ(get(tested, "http://a/").value().body().read_all(), "hello");
}

TEST(http_client, an_idempotent_request_on_a_kept_connection_that_was_closed_is_tried_again_once) {
  for (bool send_fails : {false, true}) {
    scripted_peers peers;
    auto& first = peers.next().answers(ok_hello).falls_silent();  // so that it looks alive
    peers.next().answers(ok_hello);
    client tested{peers.options()};
    EXPECT_EQ(get(tested, "http://a/").value().body().read_all(), "hello");
    if (send_fails) first.hangs_up();
    EXPECT_EQ(get(tested, "http://a/").value().body().read_all(), "hello");
    EXPECT_EQ(peers.connected(), 2u);
  }
}

TEST(http_client, a_post_looks_before_it_uses_a_kept_connection_and_is_never_sent_twice) {
  scripted_peers peers;
  peers.next().answers(ok_hello);  // then closed
  peers.next().answers(ok_hello);
  auto& lost = peers.next().answers(ok_hello).falls_silent();
  client tested{peers.options()};
  EXPECT_EQ(get(tested, "http://a/").value().body().read_all(), "hello");
  EXPECT_EQ(post(tested, "http://a/", "x").value().body().read_all(), "hello");
  EXPECT_EQ(peers.connected(), 2u);
  EXPECT_EQ(post(tested, "http://a/", "x").value().body().read_all(), "hello");
  EXPECT_EQ(peers.connected(), 3u);
  lost.hangs_up();  // looks alive, and then the request cannot be sent
  EXPECT_FALSE(post(tested, "http://a/", "x"));
  EXPECT_EQ(peers.connected(), 3u);
}

TEST(http_client, a_fresh_connection_that_fails_is_not_tried_again) {
  scripted_peers peers;
  peers.next();
  peers.next().answers(ok_hello);
  client tested{peers.options()};
  EXPECT_EQ(get(tested, "http://a/").error(), errc::end_of_stream);
  EXPECT_EQ(peers.connected(), 1u);
}

TEST(http_client, deadlines_hold_for_the_head_and_for_the_body) {
  virtual_clock clock;
  scripted_peers peers;
  peers.next().falls_silent();
  peers.next().falls_silent();
  peers.next().sends("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe").falls_silent();
  client tested{peers.options()};
  auto began = now();
  EXPECT_EQ(get(tested, "http://a/").error(), errc::timed_out);
  EXPECT_EQ(now() - began, 30s);
  {
    deadline_scope within{2s};
    EXPECT_EQ(get(tested, "http://a/").error(), errc::timed_out);
    EXPECT_EQ(now() - began, 32s);
  }
  auto got = get(tested, "http://a/");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body().read_all().error(), errc::timed_out);
  EXPECT_EQ(now() - began, 62s);
}

TEST(http_client, kept_connections_grow_old) {
  virtual_clock clock;
  scripted_peers peers;
  peers.next().answers(ok_hello).answers(ok_hello).answers(ok_hello);
  peers.next().answers(ok_hello);
  client tested{peers.options()};
  EXPECT_TRUE(get(tested, "http://a/").value().body().read_all());
  clock.advance_to(now() + 20s);
  EXPECT_TRUE(get(tested, "http://a/").value().body().read_all());
  EXPECT_EQ(peers.connected(), 1u);
  clock.advance_to(now() + 21s);
  EXPECT_TRUE(get(tested, "http://a/").value().body().read_all());
  EXPECT_EQ(peers.connected(), 2u);
}

TEST(http_client, a_body_can_come_from_a_source_with_and_without_a_length) {
  scripted_peers peers;
  auto& peer = peers.next().answers_when("\r\n0\r\n\r\n", ok_hello).answers_when("abcd", ok_hello);
  peer.falls_silent().falls_silent().falls_silent();
  client tested{peers.options()};
  auto where = url::parse("http://a/").value();
  auto source_of = [](std::string text) {
    return [text, at = std::size_t{0}](std::span<std::byte> into) mutable -> result<std::size_t> {
      auto bytes = std::min<std::size_t>({into.size(), text.size() - at, 3});
      std::ranges::copy(std::as_bytes(std::span{text}).subspan(at, bytes), into.begin());
      at += bytes;
      return bytes;
    };
  };
  EXPECT_EQ(tested.send(where, {.method = method::put, .stream = source_of("abcde")}).value().body().read_all(),
            "hello");
  EXPECT_TRUE(peer.sent.ends_with("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) << peer.sent;
  EXPECT_TRUE(tested.send(where, {.method = method::put, .stream = source_of("abcde"), .stream_bytes = 4})
                  .value()
                  .body()
                  .read_all());
  EXPECT_TRUE(peer.sent.ends_with("Content-Length: 4\r\n\r\nabcd")) << peer.sent;
  auto short_one = tested.send(where, {.method = method::put, .stream = source_of("abc"), .stream_bytes = 4});
  EXPECT_EQ(short_one.error(), errc::end_of_stream);
  EXPECT_EQ(tested.idle_connections(), 0u);
}

TEST(http_client, an_answer_that_comes_before_the_body_was_sent_is_given) {
  scripted_peers peers;
  peers.next().sends("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n").hangs_up();
  client tested{peers.options()};
  std::string large(1'000'000, 'x');
  auto got = post(tested, "http://a/", large);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status(), 413u);
  got = failure(errc::closed);
  EXPECT_EQ(tested.idle_connections(), 0u);  // nobody knows how much of the body got there
}

TEST(http_client, requests_that_would_break_the_protocol_are_not_sent) {
  scripted_peers peers;
  client tested{peers.options()};
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"X", "a\r\nY: b"},
                                                                                    {"X: y\r\nZ", "a"},
                                                                                    {"", "a"},
                                                                                    {"host", "b"},
                                                                                    {"Content-Length", "3"},
                                                                                    {"Connection", "x"}}) {
    EXPECT_EQ(tested.send(url{.host = "a"}, {.headers = {{name, value}}}).error(), errc::malformed) << name;
  }
  EXPECT_EQ(peers.connected(), 0u);
}

// ---- Against the server ----

void use_against_server(server& tested, const endpoint& where) {
  client requests;
  auto base = "http://" + where.to_string();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(get(requests, base + "/hello?x=" + std::to_string(i)).value().body().read_all(), std::to_string(i));
  }
  EXPECT_EQ(tested.connections(), 1u);
  std::string large(2'000'000, 'x');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>('a' + i % 19);
  auto echoed = post(requests, base + "/echo", large).value().body().read_all();
  EXPECT_TRUE(echoed == large);
  EXPECT_EQ(get(requests, base + "/nothing").value().status(), 404u);
}

router echo_routes() {
  router routes;
  routes.get("/hello", [](request& asked, response& answer) { answer.text(asked.query_parameter("x").value()); });
  routes.add(method::post, "/echo",
             [](request& asked, response& answer) {
               auto body = asked.body().read_all().value();
               EXPECT_TRUE(answer.write(body));
             },
             {.max_body_bytes = 4'000'000});
  return routes;
}

class http_client_io : public weft::testing::io_test {};
WEFT_ON_EVERY_REACTOR(http_client_io);

TEST_P(http_client_io, talks_to_the_server_from_virtual_threads) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    server tested{echo_routes()};
    auto serving = spawn([&] { return tested.serve(listener); });
    use_against_server(tested, listener.local());
    tested.stop();
    EXPECT_TRUE(serving.join());
  });
}

TEST(http_client_threads, talks_to_the_server_from_plain_threads) {
  auto listener = tcp_listener::bind("127.0.0.1:0").value();
  server tested{echo_routes()};
  std::thread serving{[&] { EXPECT_TRUE(tested.serve(listener, [](connection_job job) { job(); })); }};
  use_against_server(tested, listener.local());
  tested.stop();
  serving.join();
}

}  // namespace
}  // namespace weft::http
