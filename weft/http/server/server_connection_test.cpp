#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/http/error.hpp>
#include <weft/http/request.hpp>
#include <weft/http/request_observer.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>

#include "tests/support/http/answers.hpp"
#include "tests/support/http/scripted_stream.hpp"

// One connection against a scripted peer: what is sent for which bytes, with no socket and no real time.
namespace weft::http {
namespace {

using namespace std::chrono_literals;
using test::answer;
using test::scripted_stream;
using test::take_answer;
using test::take_answers;

const std::string get_hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

void read_and_count(request& asked, response& answer) {
  auto body = asked.body().read_all();
  if (!body) return;
  answer.text(std::to_string(body->size()) + ":" + body->substr(0, 20));
}

router usual_routes() {
  router routes;
  routes.get("/hello", [](request&, response& answer) { answer.text("Hello world!"); });
  routes.post("/count", read_and_count);
  routes.post("/ignore", [](request&, response& answer) { answer.text("ignored"); });
  routes.get("/photos/{id}/thumbnail", [](request& asked, response& answer) {
    answer.text(std::string{asked.parameter("id")} + "," + std::string{asked.query_parameter("size").value_or("none")});
  });
  routes.get("/throws", [](request&, response&) { throw std::runtime_error{"a secret"}; });
  routes.get("/refuses", [](request&, response& answer) {
    answer.header("X-Forgotten", "1");
    throw error{status::conflict, "Try \"again\".", "busy"};
  });
  routes.get("/silent", [](request&, response&) {});
  routes.get("/stream", [](request&, response& answer) {
    for (auto piece : {"one ", "two ", "three"}) static_cast<void>(answer.write(piece));
  });
  return routes;
}

/// What the peer gets for what it sends.
std::string serve(scripted_stream& stream, server_options options = {}) {
  server tested{usual_routes(), std::move(options)};
  tested.serve_connection(stream);
  EXPECT_TRUE(stream.closed);
  return stream.sent;
}

std::vector<answer> answers_to(std::string_view bytes, server_options options = {}) {
  scripted_stream stream{bytes};
  return take_answers(serve(stream, std::move(options)));
}

answer only_answer_to(std::string_view bytes, server_options options = {}) {
  auto all = answers_to(bytes, std::move(options));
  EXPECT_EQ(all.size(), 1u) << bytes.substr(0, 200);
  return all.empty() ? answer{} : all.front();
}

std::string post(std::string_view path, std::string_view fields, std::string_view body) {
  return "POST " + std::string{path} + " HTTP/1.1\r\nHost: a\r\n" + std::string{fields} + "\r\n" + std::string{body};
}

std::string post(std::string_view path, std::string_view body) {
  return post(path, "Content-Length: " + std::to_string(body.size()) + "\r\n", body);
}

/// An error as the issue of errors promises it: JSON, a code and a sentence.
void expect_error(const answer& got, int status, std::string_view code) {
  EXPECT_EQ(got.status, status) << got.body;
  EXPECT_EQ(got.field("Content-Type"), "application/json");
  EXPECT_TRUE(got.body.starts_with(R"({"error":{"code":")" + std::string{code} + R"(","message":")")) << got.body;
  EXPECT_TRUE(got.body.ends_with("\"}}\n")) << got.body;
}

// ---- Requests and answers ----

TEST(server_connection, one_request_costs_one_recv_and_one_send) {
  scripted_stream stream{get_hello};
  auto got = take_answers(serve(stream));
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].status, 200);
  EXPECT_EQ(got[0].body, "Hello world!");
  EXPECT_EQ(got[0].field("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(got[0].field("Content-Length"), "12");
  EXPECT_EQ(got[0].field("Date").size(), 29u);
  EXPECT_FALSE(got[0].has("Connection"));
  EXPECT_EQ(stream.sends_seen.size(), 1u);
  EXPECT_EQ(stream.recvs, 2);  // the second one got the end
}

TEST(server_connection, pipelined_requests_are_answered_in_order) {
  scripted_stream stream{get_hello + post("/count", "abc") + get_hello};
  auto got = take_answers(serve(stream));
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[1].body, "3:abc");
  EXPECT_EQ(stream.recvs, 2);
}

TEST(server_connection, a_connection_that_is_kept_for_pipelined_requests_ends_with_the_last_of_them) {
  scripted_stream stream{get_hello + post("/count", "abc") + get_hello};
  auto got = take_answers(serve(stream, {.kept = keep_alive::pipelined}));
  ASSERT_EQ(got.size(), 3u);
  EXPECT_FALSE(got[0].has("Connection"));
  EXPECT_EQ(got[1].body, "3:abc");
  EXPECT_FALSE(got[1].has("Connection"));
  EXPECT_EQ(got[2].field("Connection"), "close");
}

TEST(server_connection, each_answer_is_sent_before_the_next_handler_of_a_pipeline_runs) {
  scripted_stream stream{get_hello + get_hello + get_hello + "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" + get_hello};
  std::vector<std::size_t> sent_before;
  router routes;
  routes.get("/hello", [&](request&, response& answer) {
    sent_before.push_back(take_answers(stream.sent).size());
    answer.text("hello");
  });
  server tested{std::move(routes)};
  tested.serve_connection(stream);
  EXPECT_EQ(sent_before, (std::vector<std::size_t>{0, 1, 2, 4}));
}

TEST(server_connection, path_parameters_and_query_parameters_reach_the_handler_decoded) {
  auto got =
      only_answer_to("GET /photos/caf%C3%A9%20x/thumbnail?a=b&s%69ze=2%2B5+6&size=7 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(got.body, "café x,2+5 6");
  EXPECT_EQ(only_answer_to("GET /photos/7/thumbnail?size HTTP/1.1\r\nHost: a\r\n\r\n").body, "7,");
  EXPECT_EQ(only_answer_to("GET /photos/7/thumbnail?sizes=1 HTTP/1.1\r\nHost: a\r\n\r\n").body, "7,none");
}

TEST(server_connection, head_gets_the_head_of_get_and_no_body) {
  scripted_stream stream{"HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" + get_hello};
  auto sent = serve(stream);
  std::string_view text = sent;
  EXPECT_EQ(take_answer(text, test::asked_by::head).field("Content-Length"), "12");
  EXPECT_EQ(take_answer(text, test::asked_by::head).field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(take_answer(text).body, "Hello world!");
  EXPECT_EQ(text, "");
}

TEST(server_connection, a_streamed_answer_is_chunked_and_sent_together_when_small) {
  scripted_stream stream{"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n" + get_hello};
  auto got = take_answers(serve(stream));
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].body, "one two three");
  EXPECT_EQ(stream.sends_seen.size(), 2u);  // one an answer
}

TEST(server_connection, a_handler_that_does_nothing_answers_200_with_an_empty_body) {
  auto got = only_answer_to("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.field("Content-Length"), "0");
}

TEST(server_connection, http_1_0_is_closed_unless_it_asks_to_be_kept) {
  auto got = answers_to("GET /hello HTTP/1.0\r\n\r\n" + get_hello);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].field("Connection"), "close");
  got = answers_to("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /stream HTTP/1.0\r\n\r\n");
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].field("Connection"), "keep-alive");
  EXPECT_EQ(got[1].field("Connection"), "close");
  EXPECT_FALSE(got[1].has("Transfer-Encoding"));
  EXPECT_EQ(got[1].body, "one two three");
}

TEST(server_connection, connection_close_ends_it_after_the_answer) {
  scripted_stream stream{"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + get_hello};
  auto got = take_answers(serve(stream));
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].field("Connection"), "close");
}

TEST(server_connection, the_last_of_max_requests_says_so) {
  auto got = answers_to(get_hello + get_hello + get_hello, {.max_requests_per_connection = 2});
  ASSERT_EQ(got.size(), 2u);
  EXPECT_FALSE(got[0].has("Connection"));
  EXPECT_EQ(got[1].field("Connection"), "close");
}

TEST(server_connection, one_empty_line_before_a_request_is_overlooked_and_two_are_not) {
  EXPECT_EQ(only_answer_to("\r\n" + get_hello).status, 200);
  EXPECT_EQ(answers_to(post("/count", "abc") + "\r\n" + get_hello).size(), 2u);
  EXPECT_EQ(only_answer_to("\r\n\r\n" + get_hello).status, 400);
}

// ---- Errors ----

TEST(server_connection, unknown_paths_and_methods_get_a_json_error_and_the_connection_goes_on) {
  auto got = answers_to(
      "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nDELETE /hello HTTP/1.1\r\nHost: a\r\n\r\n"
      "FROB /hello HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS /hello HTTP/1.1\r\nHost: a\r\n\r\n"
      "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nGET /../hello HTTP/1.1\r\nHost: a\r\n\r\n" +
      get_hello);
  ASSERT_EQ(got.size(), 7u);
  expect_error(got[0], 404, "not_found");
  expect_error(got[1], 405, "method_not_allowed");
  EXPECT_EQ(got[1].field("Allow"), "GET, HEAD");
  expect_error(got[2], 501, "not_implemented");
  EXPECT_EQ(got[3].status, 204);
  EXPECT_EQ(got[3].field("Allow"), "GET, HEAD");
  EXPECT_EQ(got[4].status, 204);
  expect_error(got[5], 400, "bad_request");
  EXPECT_EQ(got[6].status, 200);
}

TEST(server_connection, what_follows_a_refused_tunnel_is_not_read_as_a_request) {
  auto got = only_answer_to("CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n" + get_hello);
  expect_error(got, 501, "not_implemented");
  EXPECT_EQ(got.field("Connection"), "close");
}

TEST(server_connection, an_exception_is_a_500_that_tells_nothing_and_the_connection_goes_on) {
  std::vector<std::string> reported;
  auto report = [&](const request& asked, const std::exception_ptr& thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& problem) {
      reported.push_back(std::string{asked.path()} + ": " + problem.what());
    }
  };
  auto got = answers_to("GET /throws HTTP/1.1\r\nHost: a\r\n\r\nGET /refuses HTTP/1.1\r\nHost: a\r\n\r\n" + get_hello,
                        {.on_exception = report});
  ASSERT_EQ(got.size(), 3u);
  expect_error(got[0], 500, "internal_server_error");
  EXPECT_EQ(got[0].body.find("secret"), std::string::npos);
  expect_error(got[1], 409, "busy");
  EXPECT_NE(got[1].body.find(R"(Try \"again\".)"), std::string::npos);
  EXPECT_FALSE(got[1].has("X-Forgotten"));
  EXPECT_EQ(got[2].status, 200);
  EXPECT_EQ(reported, std::vector<std::string>{"/throws: a secret"});
}

TEST(server_connection, an_exception_in_the_middle_of_an_answer_breaks_the_connection_off) {
  router routes;
  routes.get("/", [](request&, response& answer) {
    static_cast<void>(answer.write("begun"));
    static_cast<void>(answer.flush());
    throw std::runtime_error{"too late"};
  });
  server tested{std::move(routes)};
  scripted_stream stream{"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + get_hello};
  tested.serve_connection(stream);
  EXPECT_TRUE(stream.sent.ends_with("begun\r\n")) << stream.sent;  // no last chunk: the client knows
  EXPECT_TRUE(stream.closed);
}

TEST(server_connection, an_answer_shorter_or_longer_than_its_length_breaks_the_connection_off) {
  router routes;
  std::vector<std::error_code> errors;
  routes.get("/short", [](request&, response& answer) { static_cast<void>(answer.content_length(5).write("four")); });
  routes.get("/long", [&](request&, response& answer) {
    EXPECT_TRUE(answer.content_length(5).write("four"));
    errors.push_back(answer.write("45").error());
  });
  server tested{std::move(routes)};
  for (std::string path : {"/short", "/long"}) {
    scripted_stream stream{"GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n" + get_hello};
    tested.serve_connection(stream);
    EXPECT_TRUE(stream.sent.ends_with("\r\n\r\nfour")) << stream.sent;
  }
  EXPECT_EQ(errors, std::vector<std::error_code>{errc::too_large});
}

TEST(server_connection, header_fields_that_would_break_out_of_their_line_are_refused) {
  router routes;
  routes.get("/", [](request& asked, response& answer) {
    using namespace std::string_view_literals;
    EXPECT_THROW(answer.header("X", "a\r\nSet-Cookie: b"), std::invalid_argument);
    EXPECT_THROW(answer.header("X", "a\0b"sv), std::invalid_argument);
    EXPECT_THROW(answer.header("X: y\r\nZ", "a"), std::invalid_argument);
    EXPECT_THROW(answer.header("", "a"), std::invalid_argument);
    EXPECT_THROW(answer.header("content-length", "3"), std::invalid_argument);
    EXPECT_THROW(answer.status(static_cast<status>(100)), std::invalid_argument);
    answer.header("X-Query", asked.query_parameter("q").value_or("")).status(status::created).text("");
  });
  server tested{std::move(routes)};
  scripted_stream stream{
      "GET /?q=a%0d%0aSet-Cookie:%20b HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /?q=fine HTTP/1.1\r\nHost: a\r\n\r\n"};
  tested.serve_connection(stream);
  auto got = take_answers(stream.sent);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].status, 500);
  EXPECT_FALSE(got[0].has("Set-Cookie"));
  EXPECT_EQ(got[1].status, 201);
  EXPECT_EQ(got[1].field("X-Query"), "fine");
}

TEST(server_connection, a_guard_that_answers_keeps_the_handler_from_running) {
  router routes;
  int calls = 0;
  routes.guard([](request& asked, response& answer) {
    if (asked.header("authorization") != "Bearer x") answer.error(status::unauthorized, "Send the token.");
  });
  routes.get("/", [&](request&, response& answer) {
    ++calls;
    answer.text("in");
  });
  server tested{std::move(routes)};
  scripted_stream stream{
      "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n"};
  tested.serve_connection(stream);
  auto got = take_answers(stream.sent);
  ASSERT_EQ(got.size(), 2u);
  expect_error(got[0], 401, "unauthorized");
  EXPECT_EQ(got[1].body, "in");
  EXPECT_EQ(calls, 1);
}

TEST(server_connection, request_smuggling_forms_are_refused_and_nothing_after_them_is_read_as_a_request) {
  for (std::string fields :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: chunked, gzip\r\n", "Content-Length : 3\r\n", "X: y\r\n z\r\n",
        "X: y\nContent-Length: 3\r\n", "Host: b\r\n", "Transfer-Encoding: xchunked\r\n"}) {
    auto got = only_answer_to(post("/count", fields, "abc") + get_hello);
    expect_error(got, 400, "bad_request");
    EXPECT_EQ(got.field("Connection"), "close") << fields;
  }
  for (std::string body : {"x\r\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n"}) {
    auto got = only_answer_to(post("/count", "Transfer-Encoding: chunked\r\n", body) + get_hello);
    expect_error(got, 400, "bad_request");
    EXPECT_EQ(got.field("Connection"), "close") << body;
  }
  EXPECT_EQ(only_answer_to("\x16\x03\x01\x02").status, 400);  // TLS
  EXPECT_EQ(only_answer_to("GET / HTTP/1.1\r\n\r\n" + get_hello).status, 400);
}

// ---- Bodies ----

TEST(server_connection, bodies_with_a_length_and_in_chunks_arrive_and_leave_the_next_request_alone) {
  auto got =
      answers_to(post("/count", "hello") +
                 post("/count", "Transfer-Encoding: chunked\r\n", "3\r\nhel\r\n2;x\r\nlo\r\n0\r\nT: x\r\n\r\n") +
                 post("/count", "Content-Length: 0\r\n", "") +
                 post("/count", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n") + post("/count", "", "") + get_hello);
  ASSERT_EQ(got.size(), 6u);
  EXPECT_EQ(got[0].body, "5:hello");
  EXPECT_EQ(got[1].body, "5:hello");
  EXPECT_EQ(got[2].body, "0:");
  EXPECT_EQ(got[3].body, "0:");
  EXPECT_EQ(got[4].body, "0:");
  EXPECT_EQ(got[5].body, "Hello world!");
}

TEST(server_connection, a_large_body_arrives_whole_in_both_codings) {
  std::string body;
  for (int i = 0; body.size() < 300'000; ++i) body += std::to_string(i) + ",";
  std::string chunked;
  for (std::size_t at = 0, size = 1; at < body.size(); at += size, size = size * 3 % 20'011) {
    auto piece = body.substr(at, size);
    char head[20];
    std::snprintf(head, sizeof head, "%zx\r\n", piece.size());
    chunked += head + piece + "\r\n";
  }
  chunked += "0\r\n\r\n";
  std::vector<std::string> seen;
  router routes;
  routes.post("/", [&](request& asked, response&) { seen.push_back(asked.body().read_all().value()); });
  server tested{std::move(routes)};
  scripted_stream stream{post("/", body) + post("/", "Transfer-Encoding: chunked\r\n", chunked)};
  tested.serve_connection(stream);
  ASSERT_EQ(take_answers(stream.sent).size(), 2u);
  EXPECT_TRUE(seen[0] == body);
  EXPECT_TRUE(seen[1] == body);
}

TEST(server_connection, the_head_stays_readable_while_a_large_chunked_body_is_read) {
  router routes;
  routes.post("/{name}", [&](request& asked, response& answer) {
    auto body = asked.body().read_all().value();
    answer.text(std::string{asked.parameter("name")} + std::string{asked.header("X-Last").value()} +
                std::to_string(body.size()));
  });
  server tested{std::move(routes)};
  std::string filler = "X-Filler: " + std::string(3900, 'f') + "\r\n";
  std::string piece(7000, 'b');
  scripted_stream stream;
  stream.sends(post("/name", filler + "Transfer-Encoding: chunked\r\nX-Last: last\r\n", "1b58\r\n" + piece + "\r\n"));
  for (int i = 0; i < 10; ++i) stream.sends("1b58\r\n" + piece + "\r\n");
  stream.sends("0\r\n\r\n" + get_hello);
  tested.serve_connection(stream);
  auto got = take_answers(stream.sent);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].body, "namelast77000");
}

TEST(server_connection, an_unread_body_is_drained_up_to_the_limit_and_beyond_it_the_connection_closes) {
  server_options options{.max_drained_bytes = 10};
  auto got = answers_to(post("/ignore", std::string(10, 'x')) + get_hello, options);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_FALSE(got[0].has("Connection"));
  got = answers_to(post("/ignore", std::string(11, 'x')) + get_hello, options);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].field("Connection"), "close");
  got = answers_to(post("/ignore", "Transfer-Encoding: chunked\r\n", "a\r\n0123456789\r\n0\r\n\r\n") + get_hello,
                   options);
  EXPECT_EQ(got.size(), 2u);
  got = answers_to(post("/ignore", "Transfer-Encoding: chunked\r\n", "b\r\n01234567890\r\n0\r\n\r\n") + get_hello,
                   options);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].field("Connection"), "close");
}

TEST(server_connection, the_rest_of_an_unread_chunked_body_is_waited_for_as_long_as_the_limit_says) {
  virtual_clock clock;
  auto serve_with_pause = [](duration pause, std::string& sent) {
    scripted_stream stream;
    stream.sends(post("/ignore", "Transfer-Encoding: chunked\r\n", "1\r\nx\r\n"));
    stream.waits(pause).sends("0\r\n\r\n" + get_hello);
    auto began = now();
    sent = serve(stream, {.unread_body_timeout = 200ms});
    return now() - began;
  };
  std::string in_time, too_late;
  EXPECT_EQ(serve_with_pause(199ms, in_time), 199ms);
  auto got = take_answers(in_time);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_FALSE(got[0].has("Connection"));
  EXPECT_EQ(serve_with_pause(200ms, too_late), 200ms);
  got = take_answers(too_late);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].body, "ignored");
  EXPECT_EQ(got[0].field("Connection"), "close");
}

TEST(server_connection, an_answer_streamed_before_a_chunked_body_was_read_says_close_and_the_body_can_still_be_read) {
  router routes;
  routes.post("/echo", [](request& asked, response& answer) {
    std::array<std::byte, 2> piece;
    EXPECT_TRUE(answer.write("got "));
    for (;;) {
      auto bytes = asked.body().read(piece).value();
      if (bytes == 0) break;
      EXPECT_TRUE(answer.write(std::span{piece}.first(bytes)));
    }
  });
  server tested{std::move(routes)};
  scripted_stream stream;
  stream.sends(post("/echo", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n")).sends("3\r\ndef\r\n");
  stream.sends("0\r\n\r\n" + get_hello);
  tested.serve_connection(stream);
  auto got = take_answers(stream.sent);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].body, "got abcdef");
  EXPECT_EQ(got[0].field("Connection"), "close");
}

TEST(server_connection, the_body_limit_holds_at_its_edge_in_both_codings_and_per_route) {
  server_options options{.max_body_bytes = 5};
  EXPECT_EQ(only_answer_to(post("/count", "1234"), options).body, "4:1234");
  EXPECT_EQ(only_answer_to(post("/count", "12345"), options).body, "5:12345");
  expect_error(only_answer_to(post("/count", "123456"), options), 413, "payload_too_large");
  auto chunked = "Transfer-Encoding: chunked\r\n";
  EXPECT_EQ(only_answer_to(post("/count", chunked, "5\r\n12345\r\n0\r\n\r\n"), options).body, "5:12345");
  auto got = only_answer_to(post("/count", chunked, "5\r\n12345\r\n1\r\n6\r\n0\r\n\r\n") + get_hello, options);
  expect_error(got, 413, "payload_too_large");
  EXPECT_EQ(got.field("Connection"), "close");

  router routes;
  routes.add(method::post, "/large", read_and_count, {.max_body_bytes = 8});
  server tested{std::move(routes), options};
  scripted_stream stream{post("/large", "12345678") + post("/large", "123456789")};
  tested.serve_connection(stream);
  auto both = take_answers(stream.sent);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].body, "8:12345678");
  EXPECT_EQ(both[1].status, 413);
}

TEST(server_connection, a_body_that_is_announced_too_large_is_refused_without_running_the_handler_or_continuing) {
  int calls = 0;
  router routes;
  routes.post("/", [&](request&, response&) { ++calls; });
  server tested{std::move(routes), {.max_body_bytes = 5}};
  scripted_stream stream{post("/", "Content-Length: 6\r\nExpect: 100-continue\r\n", "")};
  tested.serve_connection(stream);
  auto got = take_answers(stream.sent);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].status, 413);
  EXPECT_EQ(calls, 0);
}

TEST(server_connection, continue_is_sent_when_the_handler_first_reads_and_only_then) {
  auto expecting = "Content-Length: 3\r\nExpect: 100-continue\r\n";
  scripted_stream waiting;
  waiting.sends(post("/count", expecting, "")).sends("abc" + get_hello);
  auto got = take_answers(serve(waiting));
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0].status, 100);
  EXPECT_EQ(got[1].body, "3:abc");
  EXPECT_EQ(got[2].status, 200);

  scripted_stream impatient{post("/count", expecting, "abc")};
  got = take_answers(serve(impatient));
  ASSERT_EQ(got.size(), 1u);  // the body was there already
  EXPECT_EQ(got[0].body, "3:abc");

  scripted_stream unread;
  unread.sends(post("/ignore", expecting, "")).sends("abc" + get_hello);
  got = take_answers(serve(unread));
  ASSERT_EQ(got.size(), 1u);  // the client may send the body or not: nobody knows what would come next
  EXPECT_EQ(got[0].body, "ignored");
  EXPECT_EQ(got[0].field("Connection"), "close");
}

TEST(server_connection, answers_held_back_are_sent_before_the_next_body_is_waited_for) {
  scripted_stream stream;
  stream.sends(get_hello + post("/count", "Content-Length: 3\r\n", "")).sends("abc");
  EXPECT_EQ(take_answers(serve(stream)).size(), 2u);
  ASSERT_EQ(stream.sends_seen.size(), 2u);
  EXPECT_TRUE(stream.sends_seen[0].ends_with("Hello world!"));
}

TEST(server_connection, a_client_that_hangs_up_in_the_middle_of_a_body_gets_no_answer) {
  for (auto fields : {"Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"}) {
    scripted_stream stream{post("/count", fields, "5\r\nab")};
    EXPECT_EQ(serve(stream), "");
  }
  scripted_stream in_the_head{"GET /hello HTTP/1.1\r\nHo"};
  EXPECT_EQ(serve(in_the_head), "");
}

TEST(server_connection, a_client_that_does_not_take_its_answer_is_given_up) {
  scripted_stream stream{get_hello + get_hello};
  stream.hangs_up();
  EXPECT_EQ(serve(stream), "");
}

TEST(server_connection, large_answers_are_sent_whole_and_in_few_pieces) {
  std::string body(1'000'000, 'x');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 23);
  router routes;
  routes.get("/hello", [](request&, response& answer) { answer.text("small"); });
  routes.get("/whole", [&](request&, response& answer) { answer.send("text/plain", body); });
  routes.get("/streamed", [&](request&, response& answer) {
    for (std::size_t at = 0, size = 1; at < body.size(); at += size, size = size * 5 % 100'003) {
      EXPECT_TRUE(answer.write(std::string_view{body}.substr(at, size)));
    }
  });
  routes.get("/known", [&](request&, response& answer) {
    answer.content_length(body.size());
    for (std::size_t at = 0; at < body.size(); at += 9'999) {
      EXPECT_TRUE(answer.write(std::string_view{body}.substr(at, 9'999)));
    }
  });
  server tested{std::move(routes)};
  scripted_stream stream{get_hello +
                         "GET /whole HTTP/1.1\r\nHost: a\r\n\r\nGET /streamed HTTP/1.1\r\nHost: a\r\n\r\n"
                         "GET /known HTTP/1.1\r\nHost: a\r\n\r\n"};
  tested.serve_connection(stream);
  auto got = take_answers(stream.sent);
  ASSERT_EQ(got.size(), 4u);
  for (int i = 1; i < 4; ++i) EXPECT_TRUE(got[static_cast<std::size_t>(i)].body == body) << i;
  EXPECT_GT(stream.sends_seen[1].size(), 200'000u);
}

TEST(server_connection, an_answer_can_be_streamed_while_the_body_is_still_read) {
  router routes;
  routes.post("/echo", [](request& asked, response& answer) {
    std::array<std::byte, 2> piece;
    for (;;) {
      auto bytes = asked.body().read(piece).value();
      if (bytes == 0) break;
      EXPECT_TRUE(answer.write(std::span{piece}.first(bytes)));
    }
  });
  server tested{std::move(routes)};
  scripted_stream stream;
  stream.sends(post("/echo", "Content-Length: 9\r\n", "abc")).sends("def").sends("ghi");
  tested.serve_connection(stream);
  EXPECT_EQ(take_answers(stream.sent).at(0).body, "abcdefghi");
}

// ---- Limits of the head ----

/// A request whose head has exactly `bytes` bytes.
std::string padded_to(std::size_t bytes) {
  std::string text = "GET /hello HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
  return text.insert(text.size() - 4, std::string(bytes - text.size(), 'x'));
}

TEST(server_connection, the_header_limit_holds_at_its_edge) {
  server_options options{.max_header_bytes = 500};
  EXPECT_EQ(only_answer_to(padded_to(499), options).status, 200);
  EXPECT_EQ(only_answer_to(padded_to(500), options).status, 200);
  expect_error(only_answer_to(padded_to(501), options), 431, "request_header_fields_too_large");
  EXPECT_EQ(only_answer_to(padded_to(15'999), {}).status, 200);
  EXPECT_EQ(only_answer_to(std::string(1, 'G') + std::string(20'000, 'E'), {}).status, 431);
  EXPECT_EQ(only_answer_to(padded_to(100'000), {}).status, 431);
  EXPECT_EQ(only_answer_to(padded_to(100'000), {.max_header_bytes = 100'000}).status, 200);
}

TEST(server_connection, the_target_limit_holds_at_its_edge_and_before_the_line_ends) {
  server_options options{.max_target_bytes = 100};
  auto with_target = [](std::size_t bytes) {
    return "GET /hello?" + std::string(bytes - 7, 'q') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  EXPECT_EQ(only_answer_to(with_target(99), options).status, 200);
  EXPECT_EQ(only_answer_to(with_target(100), options).status, 200);
  expect_error(only_answer_to(with_target(101), options), 414, "uri_too_long");
  scripted_stream endless;
  endless.sends("GET /" + std::string(100, 'x')).falls_silent();
  EXPECT_EQ(take_answers(serve(endless, options)).at(0).status, 414);
  EXPECT_EQ(only_answer_to(with_target(9'000), {}).status, 414);
  EXPECT_EQ(only_answer_to(with_target(30'000), {}).status, 414);
}

TEST(server_connection, the_number_of_header_fields_is_limited) {
  auto with_fields = [](int count) {
    std::string text = "GET /hello HTTP/1.1\r\nHost: a\r\n";
    for (int i = 1; i < count; ++i) text += "X: y\r\n";
    return text + "\r\n";
  };
  server_options options{.max_header_fields = 5};
  EXPECT_EQ(only_answer_to(with_fields(4), options).status, 200);
  EXPECT_EQ(only_answer_to(with_fields(5), options).status, 200);
  EXPECT_EQ(only_answer_to(with_fields(6), options).status, 431);
}

// ---- Times ----

TEST(server_connection, a_header_that_trickles_in_is_cut_off_at_one_deadline_for_all_of_it) {
  virtual_clock clock;
  auto began = now();
  scripted_stream stream;
  for (char c : get_hello) stream.sends({&c, 1}).waits(1s);
  auto got = take_answers(serve(stream, {.header_timeout = 10s, .linger_timeout = 1s}));
  ASSERT_EQ(got.size(), 1u);
  expect_error(got[0], 408, "request_timeout");
  EXPECT_EQ(got[0].field("Connection"), "close");
  EXPECT_LE(now() - began, 11s);  // one more for reading on
}

TEST(server_connection, a_second_request_has_its_own_header_deadline) {
  virtual_clock clock;
  scripted_stream in_time;
  in_time.sends(get_hello).waits(30s).sends("GET /hel").waits(9s).sends("lo HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(take_answers(serve(in_time)).size(), 2u);
  scripted_stream too_late;
  too_late.sends(get_hello).waits(30s).sends("GET /hel").waits(11s).sends("lo HTTP/1.1\r\nHost: a\r\n\r\n");
  auto got = take_answers(serve(too_late));
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[1].status, 408);
}

TEST(server_connection, an_idle_connection_is_closed_without_a_word) {
  virtual_clock clock;
  scripted_stream stream;
  stream.sends(get_hello).waits(59s).sends(get_hello).waits(61s).sends(get_hello);
  EXPECT_EQ(take_answers(serve(stream)).size(), 2u);
  scripted_stream mute;
  mute.falls_silent();
  auto began = now();
  EXPECT_EQ(serve(mute), "");
  EXPECT_EQ(now() - began, 10s);
}

TEST(server_connection, a_body_that_stalls_gets_408) {
  virtual_clock clock;
  scripted_stream stream;
  stream.sends(post("/count", "Content-Length: 10\r\n", "abc")).waits(9s).sends("def").waits(11s).sends("ghij");
  auto got = take_answers(serve(stream));
  ASSERT_EQ(got.size(), 1u);
  expect_error(got[0], 408, "request_timeout");
}

TEST(server_connection, a_body_slower_than_the_minimal_rate_gets_408_however_steadily_it_trickles) {
  virtual_clock clock;
  scripted_stream trickle;
  trickle.sends(post("/count", "Content-Length: 1000\r\n", ""));
  for (int i = 0; i < 1000; ++i) trickle.waits(1s).sends("x");
  auto began = now();
  auto got = take_answers(serve(trickle, {.body_grace = 20s, .linger_timeout = 1s}));
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].status, 408);
  EXPECT_LE(now() - began, 22s);

  scripted_stream steady;
  steady.sends(post("/count", "Content-Length: 102400\r\n", ""));
  for (int i = 0; i < 100; ++i) steady.waits(1s).sends(std::string(1024, 'x'));
  EXPECT_EQ(take_answers(serve(steady)).at(0).body.substr(0, 7), "102400:");
}

TEST(server_connection, the_time_that_a_handler_takes_is_not_held_against_the_sender) {
  virtual_clock clock;
  router routes;
  routes.post("/", [&](request& asked, response& answer) {
    std::byte one;
    int count = 0;
    while (asked.body().read({&one, 1}).value_or(0) == 1) {
      clock.advance_to(now() + 1h);
      ++count;
    }
    answer.text(std::to_string(count));
  });
  server tested{std::move(routes)};
  scripted_stream stream;
  stream.sends(post("/", "Content-Length: 4\r\n", "a")).waits(1s).sends("b").waits(1s).sends("c").waits(1s).sends("d");
  tested.serve_connection(stream);
  EXPECT_EQ(take_answers(stream.sent).at(0).body, "4");
}

// ---- Closing ----

TEST(server_connection, a_close_after_an_answer_ends_one_half_and_reads_until_the_client_has_finished) {
  virtual_clock clock;
  for (auto request :
       {std::string{"?"}, std::string{"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"},
        std::string{"GET /hello HTTP/1.0\r\n\r\n"}, std::string{"GET /hello HTTP/1.1\r\n\r\n"},
        std::string{"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"}, post("/count", "Content-Length: 9999999\r\n", ""),
        post("/ignore", "Content-Length: 9999999\r\n", ""), post("/count", "Transfer-Encoding: chunked\r\n", "x\r\n"),
        get_hello + "?"}) {
    scripted_stream stream{request};
    for (int i = 0; i < 3; ++i) stream.waits(1s).sends(std::string(5000, 'x'));
    auto began = now();
    EXPECT_NE(serve(stream), "") << request;
    EXPECT_TRUE(stream.send_ended) << request;
    EXPECT_EQ(now() - began, 3s) << request;  // all of it was read
  }
}

TEST(server_connection, an_idle_connection_that_was_answered_is_closed_in_halves_too) {
  virtual_clock clock;
  scripted_stream stream{get_hello};
  stream.waits(61s).sends(get_hello).waits(3s);
  auto began = now();
  EXPECT_EQ(take_answers(serve(stream)).size(), 1u);
  EXPECT_TRUE(stream.send_ended);
  EXPECT_EQ(now() - began, 63s);
}

TEST(server_connection, the_limits_of_reading_on_hold_at_their_edges) {
  virtual_clock clock;
  auto lasted = [](scripted_stream& stream, server_options options) {
    auto began = now();
    EXPECT_EQ(take_answers(serve(stream, std::move(options))).at(0).status, 400);
    return now() - began;
  };
  auto refused = [](duration pause, std::size_t bytes) {
    scripted_stream stream{"?"};
    for (int i = 0; i < 100; ++i) stream.waits(pause).sends(std::string(bytes, 'x'));
    return stream;
  };
  auto in_time = refused(4999ms, 1);
  EXPECT_EQ(lasted(in_time, {}), 30s);
  auto on_the_limit = refused(5s, 1);
  EXPECT_EQ(lasted(on_the_limit, {}), 5s);
  auto steady = refused(1s, 1);
  EXPECT_EQ(lasted(steady, {.linger_timeout = 7s}), 7s);
  auto pieces = refused(1s, 10'000);
  EXPECT_EQ(lasted(pieces, {.max_lingering_bytes = 100'000}), 10s);
  auto one_more = refused(1s, 10'000);
  EXPECT_EQ(lasted(one_more, {.max_lingering_bytes = 100'001}), 11s);
  auto none = refused(1s, 10'000);
  EXPECT_EQ(lasted(none, {.max_lingering_bytes = 0}), 0s);
}

// ---- Stopping ----

TEST(server_connection, after_stop_the_request_being_served_is_finished_and_the_connection_ends) {
  server* stopped = nullptr;
  router routes;
  routes.get("/hello", [&](request&, response& answer) {
    stopped->stop();
    answer.text("last");
  });
  server tested{std::move(routes)};
  stopped = &tested;
  scripted_stream stream{get_hello + get_hello};
  tested.serve_connection(stream);
  auto got = take_answers(stream.sent);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].body, "last");
  EXPECT_EQ(got[0].field("Connection"), "close");
  EXPECT_EQ(tested.connections(), 0u);
}

TEST(server_connection, stop_after_the_answer_began_closes_before_the_next_request) {
  server* stopped = nullptr;
  router routes;
  routes.get("/hello", [&](request&, response& answer) {
    answer.text("last");
    stopped->stop();
  });
  server tested{std::move(routes)};
  stopped = &tested;
  scripted_stream stream;
  stream.sends(get_hello).sends(get_hello);
  tested.serve_connection(stream);
  EXPECT_EQ(take_answers(stream.sent).size(), 1u);
}

// ---- Observers ----

class recording_observer final : public request_observer {
 public:
  void on_start(const observed_request& observed) noexcept override {
    lines.push_back("start " + (observed.route ? observed.route->pattern : std::string{"-"}));
  }
  void on_end(const observed_request& observed) noexcept override {
    lines.push_back("end " + (observed.route ? observed.route->pattern : std::string{"-"}) + " " +
                    std::to_string(to_number(observed.status)) + " " + std::to_string(observed.body_bytes));
    took = observed.finished - observed.started;
  }
  std::vector<std::string> lines;
  duration took{};
};

TEST(server_connection, an_observer_is_told_of_every_request) {
  recording_observer observer;
  scripted_stream stream{get_hello + "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nGET /.. HTTP/1.1\r\nHost: a\r\n\r\n" +
                         post("/count", "Content-Length: 3\r\n", "ab")};
  serve(stream, {.observer = &observer});
  scripted_stream garbage{"?"};
  serve(garbage, {.observer = &observer});
  ASSERT_EQ(observer.lines.size(), 9u);
  EXPECT_EQ(observer.lines[0], "start /hello");
  EXPECT_EQ(observer.lines[1], "end /hello 200 12");
  EXPECT_EQ(observer.lines[2], "start -");
  EXPECT_TRUE(observer.lines[3].starts_with("end - 404 ")) << observer.lines[3];
  EXPECT_EQ(observer.lines[4], "start -");
  EXPECT_TRUE(observer.lines[5].starts_with("end - 400 ")) << observer.lines[5];
  EXPECT_EQ(observer.lines[6], "start /count");
  EXPECT_EQ(observer.lines[7], "end /count 499 0");                               // hung up in the middle
  EXPECT_TRUE(observer.lines[8].starts_with("end - 400 ")) << observer.lines[8];  // never understood: no start
}

}  // namespace
}  // namespace weft::http
