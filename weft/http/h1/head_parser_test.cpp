#include "weft/http/h1/head_parser.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "weft/http/h1/field_list.hpp"
#include "weft/http/h1/head_scanner.hpp"

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
  auto rejected = parse_request_head(text, limits, head);
  return rejected ? to_number(rejected->status) : 0;
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

TEST(field_list, has_the_elements_between_commas_that_are_not_in_quotes) {
  using elements = std::vector<std::string_view>;
  auto elements_of = [](std::string_view value) {
    elements all;
    for (auto element : field_list{value}) all.push_back(element);
    return all;
  };
  EXPECT_EQ(elements_of(""), elements{});
  EXPECT_EQ(elements_of(" ,\t, "), elements{});
  EXPECT_EQ(elements_of("a"), elements{"a"});
  EXPECT_EQ(elements_of(", a\t, ,b c,"), (elements{"a", "b c"}));
  EXPECT_EQ(elements_of("a;x=\"b,c\",d"), (elements{"a;x=\"b,c\"", "d"}));
  EXPECT_EQ(elements_of("a;x=\"b\\\",c\" , d"), (elements{"a;x=\"b\\\",c\"", "d"}));
  EXPECT_EQ(elements_of("\",\",\"\",a"), (elements{"\",\"", "\"\"", "a"}));
  EXPECT_EQ(elements_of("a, b\"c, d"), (elements{"a", "b\"c, d"}));
  EXPECT_EQ(elements_of("a, \"b\\\", c"), (elements{"a", "\"b\\\", c"}));
  EXPECT_EQ(elements_of("a, \"b\\"), (elements{"a", "\"b\\"}));
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

struct framing_row {
  std::string_view value;
  std::optional<framing> expected;  // none: refused
};

std::optional<framing> framing_of(const std::string& text, http::method asked = method::get) {
  response_head head;
  if (!parse_response_head(text, asked, {}, head)) return std::nullopt;
  if (head.framing == framing::until_close) {
    EXPECT_EQ(head.persistence, persistence::close) << text;
  }
  return head.framing;
}

TEST(response_head, transfer_encoding_is_a_list_over_all_its_lines_and_chunked_its_last_element) {
  const framing_row rows[]{
      {"chunked", framing::chunked},
      {"CHUNKED", framing::chunked},
      {", chunked", framing::chunked},
      {"chunked ,", framing::chunked},
      {" ,\t,Chunked\t, ,", framing::chunked},
      {"\r\nTransfer-Encoding: chunked", framing::chunked},
      {",\r\ntransfer-encoding: , chunked", framing::chunked},
      // The body ends with the connection, and is as it is.
      {"identity", framing::until_close},
      {"Identity,", framing::until_close},
      {"", framing::until_close},
      {" , ", framing::until_close},
      // It ends in one way or the other, and cannot be decoded.
      {"gzip", std::nullopt},
      {"gzip, chunked", std::nullopt},
      {"gzip;x=\"a,b\", chunked", std::nullopt},
      {"gzip;x=\"a, chunked\"", std::nullopt},
      {"gzip\r\nTransfer-Encoding: chunked", std::nullopt},
      {"identity, chunked", std::nullopt},
      {"xchunked", std::nullopt},
      // Ambiguous.
      {"chunked, chunked", std::nullopt},
      {"chunked\r\nTransfer-Encoding: chunked", std::nullopt},
      {"chunked, identity", std::nullopt},
      {"chunked\r\nTransfer-Encoding: identity", std::nullopt},
      {"chunked;q=1", std::nullopt},
      {"\"chunked\"", std::nullopt},
      {"identity chunked", std::nullopt},
  };
  for (const auto& [value, expected] : rows) {
    auto field = "Transfer-Encoding: " + std::string{value} + "\r\n";
    EXPECT_EQ(framing_of("HTTP/1.1 200 OK\r\n" + field + "\r\n"), expected) << value;
    EXPECT_EQ(framing_of("HTTP/1.0 200 OK\r\n" + field + "\r\n"), std::nullopt) << value;
    EXPECT_EQ(framing_of("HTTP/1.1 200 OK\r\n" + field + "Content-Length: 3\r\n\r\n"), std::nullopt) << value;
    EXPECT_EQ(framing_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + field + "\r\n"), std::nullopt) << value;
  }
}

TEST(response_head, a_response_without_a_body_may_name_any_coding) {
  for (std::string value : {"chunked", ", chunked", "gzip, chunked", "gzip;x=\"a,b\""}) {
    auto field = "Transfer-Encoding: " + value + "\r\n\r\n";
    EXPECT_EQ(framing_of("HTTP/1.1 200 OK\r\n" + field, method::head), framing::none) << value;
    EXPECT_EQ(framing_of("HTTP/1.1 304 Not Modified\r\n" + field), framing::none) << value;
    EXPECT_EQ(framing_of("HTTP/1.1 204 No Content\r\n" + field), framing::none) << value;
    EXPECT_EQ(parsed("HTTP/1.1 204 No Content\r\n" + field).persistence, persistence::keep_alive) << value;
  }
}

TEST(response_head, content_length_is_one_number_however_often_it_is_said) {
  for (auto value : {"3", "3, 3", "3,3 ,\t3", "3\r\nContent-Length: 3", "3, 3\r\ncontent-length: 3", "003, 3"}) {
    auto head = parsed("HTTP/1.1 200 OK\r\nContent-Length: " + std::string{value} + "\r\n\r\n");
    EXPECT_EQ(head.framing, framing::length) << value;
    EXPECT_EQ(head.content_length, 3u) << value;
  }
  for (auto value :
       {"3, 4", "3\r\nContent-Length: 4", "3\r\nContent-Length: 3, 4", "3, x", "x, 3", "3 3", "+3", "-3", "\"3\"",
        "\"3, 3\"", "", ",", "18446744073709551616", "3, 18446744073709551616", "3, 18446744073709551619"}) {
    EXPECT_EQ(framing_of("HTTP/1.1 200 OK\r\nContent-Length: " + std::string{value} + "\r\n\r\n"), std::nullopt)
        << value;
  }
}

TEST(response_head, connection_is_a_list_and_close_counts_first) {
  struct {
    std::string_view start;
    std::string_view value;
    http::detail::persistence expected;
  } const rows[]{
      {"HTTP/1.1", "close", persistence::close},
      {"HTTP/1.1", ", Close ,", persistence::close},
      {"HTTP/1.1", "x\r\nConnection: close", persistence::close},
      {"HTTP/1.1", "close\r\nConnection: keep-alive", persistence::close},
      {"HTTP/1.1", "xclose, close-x", persistence::keep_alive},
      {"HTTP/1.1", "", persistence::keep_alive},
      {"HTTP/1.0", "", persistence::close},
      {"HTTP/1.0", "x, , Keep-Alive", persistence::keep_alive},
      {"HTTP/1.0", "close, keep-alive", persistence::close},
  };
  for (const auto& [start, value, expected] : rows) {
    auto text = std::string{start} + " 200 OK\r\nContent-Length: 3\r\nConnection: " + std::string{value} + "\r\n\r\n";
    EXPECT_EQ(parsed(text).persistence, expected) << text;
  }
  EXPECT_EQ(parsed("HTTP/1.1 200 OK\r\nTransfer-Encoding: , chunked\r\n\r\n").persistence, persistence::keep_alive);
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
