#include "http/message_head.hpp"

#include <gtest/gtest.h>

#include <string>

#include "http/head_scanner.hpp"

namespace weft::http::detail {
namespace {

/// What a whole request head is answered with: 0 when it is good.
unsigned refusal_of(std::string_view text, request_head& head, head_limits limits = {}) {
  head_scanner scanner;
  switch (scanner.scan(text)) {
    case head_scanner::verdict::complete: break;
    case head_scanner::verdict::incomplete: return 1;
    default: return 400;
  }
  EXPECT_EQ(scanner.head_bytes(), text.size());
  auto refused = parse_request_head(text, limits, head);
  return refused ? to_number(refused->status) : 0;
}

unsigned refusal_of(std::string_view text) {
  request_head head;
  return refusal_of(text, head);
}

std::string with(std::string_view lines, std::string_view start = "POST / HTTP/1.1\r\nHost: a\r\n") {
  return std::string{start} + std::string{lines} + "\r\n";
}

TEST(request_head, says_what_was_asked_and_how_long_the_body_is) {
  request_head head;
  ASSERT_EQ(refusal_of("PUT /a?b HTTP/1.1\r\nHost: h:1\r\nX:  y z \t\r\nContent-Length: 12\r\nEmpty:\r\n\r\n", head),
            0u);
  EXPECT_EQ(head.method, method::put);
  EXPECT_EQ(head.target, "/a?b");
  EXPECT_EQ(head.host, "h:1");
  EXPECT_EQ(head.version, 11);
  EXPECT_EQ(head.framing, framing::length);
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_EQ(head.persistence, persistence::keep_alive);
  ASSERT_EQ(head.fields.size(), 4u);
  EXPECT_EQ(head.fields[1].name, "X");
  EXPECT_EQ(head.fields[1].value, "y z");
  EXPECT_EQ(head.fields[3].value, "");

  ASSERT_EQ(refusal_of(with("transfer-encoding: Chunked\r\nConnection: close\r\n"), head), 0u);
  EXPECT_EQ(head.framing, framing::chunked);
  EXPECT_EQ(head.persistence, persistence::close);
  EXPECT_EQ(head.content_length, 0u);

  ASSERT_EQ(refusal_of("FROB * HTTP/1.0\r\n\r\n", head), 0u);
  EXPECT_EQ(head.method, method::unknown);
  EXPECT_EQ(head.method_name, "FROB");
  EXPECT_EQ(head.version, 10);
  EXPECT_EQ(head.framing, framing::none);
  EXPECT_EQ(head.persistence, persistence::close);
  EXPECT_EQ(head.host, "");

  ASSERT_EQ(refusal_of("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", head), 0u);
  EXPECT_EQ(head.persistence, persistence::keep_alive);
}

TEST(request_head, an_ambiguous_body_length_is_refused) {
  for (auto lines : {
           "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
           "Content-Length: 3\r\nContent-Length: 4\r\n",
           "Content-Length: 3\r\nContent-Length: 3\r\n",
           "Content-Length: 3, 3\r\n",
           "Content-Length: 3, 4\r\n",
           "Content-Length: \r\n",
           "Content-Length: +3\r\n",
           "Content-Length: -3\r\n",
           "Content-Length: 3 4\r\n",
           "Content-Length: 0x3\r\n",
           "Content-Length: 3;a\r\n",
           "Content-Length: 18446744073709551616\r\n",
           "Transfer-Encoding: gzip\r\n",
           "Transfer-Encoding: identity\r\n",
           "Transfer-Encoding: chunked, gzip\r\n",
           "Transfer-Encoding: chunked, chunked\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked;q=1\r\n",
           "Transfer-Encoding: \"chunked\"\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Transfer-Encoding:\x0b"
           "chunked\r\n",
           "Transfer-Encoding: chunked\x0b\r\n",
           "Transfer-Encoding:\r\n",
           "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n",
       }) {
    EXPECT_EQ(refusal_of(with(lines)), 400u) << lines;
  }
  EXPECT_EQ(refusal_of(with("Transfer-Encoding: gzip, chunked\r\n")), 501u);
  EXPECT_EQ(refusal_of(with("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0\r\n")), 400u);
  EXPECT_EQ(refusal_of(with("Content-Length: 18446744073709551615\r\n")), 0u);
}

TEST(request_head, odd_white_space_and_line_ends_are_refused) {
  for (auto text : {
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 3\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\n Content-Length: 3\r\n\r\n",
           "POST / HTTP/1.1\r\n Host: a\r\n\r\n",
           "POST / HTTP/1.1\r\n\tHost: a\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX:\r\n z\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n \r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
           "POST / HTTP/1.1\nHost: a\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\n\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX: y\rZ: q\r\n\r\n",
           "POST / HTTP/1.1\rHost: a\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX\x80: z\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
           "POST  / HTTP/1.1\r\nHost: a\r\n\r\n",
           "POST / HTTP/1.1 \r\nHost: a\r\n\r\n",
           "POST /  HTTP/1.1\r\nHost: a\r\n\r\n",
           " POST / HTTP/1.1\r\nHost: a\r\n\r\n",
           "POST\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
           "POST / HTTP\r\nHost: a\r\n\r\n",
           "POST /\r\nHost: a\r\n\r\n",
           "POST\r\nHost: a\r\n\r\n",
           "POST / http/1.1\r\nHost: a\r\n\r\n",
           "PO(ST / HTTP/1.1\r\nHost: a\r\n\r\n",
           "POST /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
       }) {
    EXPECT_EQ(refusal_of(text), 400u) << text;
  }
  using namespace std::string_view_literals;
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"sv), 400u);
  EXPECT_EQ(refusal_of("POST /\0 HTTP/1.1\r\nHost: a\r\n\r\n"sv), 400u);
}

TEST(request_head, http_1_1_has_exactly_one_host_and_that_is_an_authority) {
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\n\r\n"), 400u);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400u);
  EXPECT_EQ(refusal_of("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), 400u);
  for (auto host : {"a/b", "a b", "u@a", "a?b", "a#b", "a, b", "a\\b"}) {
    EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n"), 400u) << host;
  }
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 0u);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 0u);
}

TEST(request_head, other_versions_and_other_expectations_have_statuses_of_their_own) {
  EXPECT_EQ(refusal_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505u);
  EXPECT_EQ(refusal_of("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), 505u);
  EXPECT_EQ(refusal_of("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 0u);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"), 417u);
  request_head head;
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n", head), 0u);
  EXPECT_TRUE(head.expects_continue);
  EXPECT_EQ(refusal_of("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", head), 0u);
  EXPECT_FALSE(head.expects_continue);
}

TEST(request_head, limits_hold_at_their_edge) {
  request_head head;
  EXPECT_EQ(refusal_of("GET /234 HTTP/1.1\r\nHost: a\r\n\r\n", head, {.max_target_bytes = 4}), 0u);
  EXPECT_EQ(refusal_of("GET /2345 HTTP/1.1\r\nHost: a\r\n\r\n", head, {.max_target_bytes = 4}), 414u);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n", head, {.max_header_fields = 2}), 0u);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\nD: e\r\n\r\n", head, {.max_header_fields = 2}), 431u);
}

TEST(head_scanner, finds_the_same_end_in_however_many_pieces_the_head_arrives) {
  constexpr std::string_view head = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
  for (std::size_t first = 0; first < head.size(); ++first) {
    for (std::size_t second = first; second < head.size(); ++second) {
      head_scanner scanner;
      ASSERT_EQ(scanner.scan(head.substr(0, first)), head_scanner::verdict::incomplete);
      ASSERT_EQ(scanner.scan(head.substr(0, second)), head_scanner::verdict::incomplete);
      ASSERT_EQ(scanner.scan(std::string{head} + "body\n\r\n"), head_scanner::verdict::complete);
      ASSERT_EQ(scanner.head_bytes(), head.size());
    }
  }
}

response_head parsed(std::string_view text, http::method asked = method::get) {
  response_head head;
  EXPECT_TRUE(parse_response_head(text, asked, {}, head)) << text;
  return head;
}

TEST(response_head, says_how_the_body_ends) {
  EXPECT_EQ(parsed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").framing, framing::length);
  EXPECT_EQ(parsed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").framing, framing::none);
  EXPECT_EQ(parsed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").framing, framing::chunked);
  EXPECT_EQ(parsed("HTTP/1.1 200 OK\r\n\r\n").framing, framing::until_close);
  EXPECT_EQ(parsed("HTTP/1.1 200 OK\r\n\r\n").persistence, persistence::close);
  EXPECT_EQ(parsed("HTTP/1.1 204 No Content\r\n\r\n").framing, framing::none);
  EXPECT_EQ(parsed("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n").framing, framing::none);
  EXPECT_EQ(parsed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", method::head).framing, framing::none);
  EXPECT_EQ(parsed("HTTP/1.1 200\x20\r\nContent-Length: 3\r\n\r\n").persistence, persistence::keep_alive);
  EXPECT_EQ(parsed("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n").persistence, persistence::close);
  EXPECT_EQ(parsed("HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\n").status, 503u);
}

TEST(response_head, an_ambiguous_one_is_refused) {
  for (auto text : {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
                    "HTTP/2.0 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX : y\r\n\r\n"}) {
    response_head head;
    EXPECT_FALSE(parse_response_head(text, method::get, {}, head)) << text;
  }
}

}  // namespace
}  // namespace weft::http::detail
