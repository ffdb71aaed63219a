#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>

#include "tests/support/http/answers.hpp"
#include "tests/support/http/scripted_stream.hpp"

// Raw requests and the answers that RFC 9110 and RFC 9112 ask for, in tables.
namespace weft::http {
namespace {

using test::answer;
using test::scripted_stream;
using test::take_answer;

router all_routes() {
  router routes;
  routes.get("/", [](request& asked, response& answer) { answer.text(asked.host()); });
  routes.get("/header", [](request& asked, response& answer) { answer.text(asked.header("Host").value_or("none")); });
  routes.get("/version", [](request& asked, response& answer) { answer.text(std::to_string(asked.version())); });
  routes.post("/", [](request& asked, response& answer) {
    if (auto body = asked.body().read_all()) answer.text(*body);
  });
  routes.post("/ignore", [](request&, response& answer) { answer.text("ignored"); });
  routes.get("/reset", [](request&, response& answer) { answer.status(status::reset_content).text("form"); });
  routes.get("/reset/streamed",
             [](request&, response& answer) { EXPECT_TRUE(answer.status(status::reset_content).write("form")); });
  return routes;
}

const std::string probe = "GET /version HTTP/1.1\r\nHost: a\r\n\r\n";

std::string answers_to(std::string_view bytes, server_options options = {}) {
  server tested{all_routes(), std::move(options)};
  scripted_stream stream{bytes};
  tested.serve_connection(stream);
  return stream.sent;
}

/// The statuses of all answers to `bytes`, then "kept" if one more request was answered behind them, or "closed". The
/// last answer before a close says so.
std::string outcome(std::string_view bytes, const server_options& options = {}) {
  auto sent = answers_to(std::string{bytes} + probe, options);
  std::string_view text = sent;
  std::string all;
  answer last;
  int answers = 0;
  while (!text.empty() && answers < 10) {
    last = take_answer(text);
    if (text.empty() && last.status == 200 && last.body == "11") return all + "kept";
    all += std::to_string(last.status) + " ";
    ++answers;
  }
  EXPECT_TRUE(answers == 0 || last.field("Connection") == "close") << bytes.substr(0, 200);
  return all + "closed";
}

struct row {
  std::string_view bytes;
  std::string_view outcome;
};

void expect_outcomes(const std::vector<row>& rows, const server_options& options = {}) {
  for (const auto& [bytes, expected] : rows) EXPECT_EQ(outcome(bytes, options), expected) << bytes;
}

std::string get(std::string_view fields, std::string_view target = "/") {
  return "GET " + std::string{target} + " HTTP/1.1\r\n" + std::string{fields} + "\r\n";
}

std::string post(std::string_view fields, std::string_view body, std::string_view target = "/") {
  return "POST " + std::string{target} + " HTTP/1.1\r\nHost: a\r\n" + std::string{fields} + "\r\n" + std::string{body};
}

// ---- Host and authority (RFC 9110, 7.2; RFC 9112, 3.2; RFC 3986, 3.2) ----

const std::vector<std::string_view> good_authorities{"a",
                                                     "a.example",
                                                     "localhost.",
                                                     "a_b",
                                                     "A-1.b",
                                                     "a:80",
                                                     "a:",
                                                     "a:0",
                                                     "a:65535",
                                                     "a:00080",
                                                     "127.0.0.1",
                                                     "127.0.0.1:18480",
                                                     "1.2.3.4.5",
                                                     "999.1.1.1",
                                                     "1",
                                                     "%41",
                                                     "a%2dB.example:8080",
                                                     "a!$&'()*+;=~b",
                                                     "[::1]",
                                                     "[::1]:80",
                                                     "[::1]:",
                                                     "[::]",
                                                     "[2001:db8::7]:8080",
                                                     "[2001:DB8:0:0:0:0:0:7]",
                                                     "[::ffff:192.0.2.1]",
                                                     "[1:2:3:4:5:6:192.0.2.1]",
                                                     "[1::8]",
                                                     "[1:2:3:4:5:6:7::]",
                                                     "[v1.fe80::a+en1]",
                                                     "[v1F.a:b]:1",
                                                     "xn--caf-dma.example"};

const std::vector<std::string_view> bad_authorities{"a:b",
                                                    "a:80:80",
                                                    "::1",
                                                    "[zz]",
                                                    "a\x80",
                                                    "caf\xc3\xa9",
                                                    "{a}",
                                                    "a}",
                                                    "a:65536",
                                                    "a:99999999999999999999",
                                                    "a:-1",
                                                    "a:+80",
                                                    "a: 80",
                                                    "a :80",
                                                    "a:8o",
                                                    ":80",
                                                    ":",
                                                    "a b",
                                                    "a\tb",
                                                    "a/b",
                                                    "a?b",
                                                    "a#b",
                                                    "u@a",
                                                    "u:p@a",
                                                    "a,b",
                                                    "a\\b",
                                                    "<a>",
                                                    "a\"b",
                                                    "a|b",
                                                    "a^b",
                                                    "a`b",
                                                    "%",
                                                    "%4",
                                                    "%4g",
                                                    "a%",
                                                    "[",
                                                    "]",
                                                    "[]",
                                                    "[::1",
                                                    "::1]",
                                                    "[::1]a",
                                                    "[::1]:x",
                                                    "[::1]:65536",
                                                    "a[::1]",
                                                    "[[::1]]",
                                                    "[1]",
                                                    "[1:2:3:4:5:6:7]",
                                                    "[1:2:3:4:5:6:7:8:9]",
                                                    "[1::2::3]",
                                                    "[12345::]",
                                                    "[:::]",
                                                    "[:1::]",
                                                    "[1:2:3:4:5:6:7:8::]",
                                                    "[::1.2.3]",
                                                    "[::1.2.3.256]",
                                                    "[::1.2.3.04]",
                                                    "[1.2.3.4]",
                                                    "[fe80::1%25eth0]",
                                                    "[fe80::1%eth0]",
                                                    "[v.a]",
                                                    "[v1.]",
                                                    "[v1]",
                                                    "[vg.a]",
                                                    "[v1.a/b]",
                                                    "[g::]",
                                                    "http://a",
                                                    "127.0.0.1:18480.evil.example",
                                                    "a:80.evil.example"};

TEST(raw_request, a_host_that_is_an_authority_is_served) {
  for (auto host : good_authorities) {
    EXPECT_EQ(outcome(get("Host: " + std::string{host} + "\r\n")), "200 kept") << host;
  }
  EXPECT_EQ(outcome(get("Host:\r\n")), "200 kept");
  EXPECT_EQ(outcome(get("Host: \t \r\n")), "200 kept");
  EXPECT_EQ(outcome(get("hOST:a\r\n")), "200 kept");
}

TEST(raw_request, a_host_that_is_no_authority_is_400_and_the_connection_closes) {
  for (auto host : bad_authorities) {
    EXPECT_EQ(outcome(get("Host: " + std::string{host} + "\r\n")), "400 closed") << host;
    EXPECT_EQ(outcome("GET / HTTP/1.0\r\nHost: " + std::string{host} + "\r\n\r\n"), "400 closed") << host;
  }
}

TEST(raw_request, the_authority_of_an_absolute_target_is_checked_as_a_host_is) {
  for (auto authority : good_authorities) {
    auto sent = answers_to(get("Host: b\r\n", "http://" + std::string{authority} + "/"));
    std::string_view text = sent;
    auto got = take_answer(text);
    EXPECT_EQ(got.status, 200) << authority;
    EXPECT_EQ(got.body, authority);
  }
  for (auto authority : bad_authorities) {
    if (authority.find_first_of(" \t/?#") != std::string_view::npos) continue;
    EXPECT_EQ(outcome(get("Host: b\r\n", "http://" + std::string{authority} + "/")), "400 kept") << authority;
  }
  expect_outcomes({
      {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "400 kept"},
      {"GET http://?x HTTP/1.1\r\nHost: a\r\n\r\n", "400 kept"},
      {"GET http:/a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 kept"},
      {"GET http:a HTTP/1.1\r\nHost: a\r\n\r\n", "400 kept"},
      {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 kept"},
      {"GET a.example:80 HTTP/1.1\r\nHost: a\r\n\r\n", "400 kept"},
      {"GET HTTP://A HTTP/1.1\r\nHost: A\r\n\r\n", "200 kept"},
      {"GET https://a?x HTTP/1.1\r\nHost: a\r\n\r\n", "200 kept"},
      {"GET //a/ HTTP/1.1\r\nHost: a\r\n\r\n", "404 kept"},
  });
}

TEST(raw_request, an_absolute_target_replaces_a_host_that_differs_and_does_not_make_up_for_one_that_is_wrong) {
  auto sent = answers_to(get("Host: b\r\n", "http://a:81/") + get("hOsT: b\r\n", "http://a:81/header"));
  std::string_view text = sent;
  EXPECT_EQ(take_answer(text).body, "a:81");
  EXPECT_EQ(take_answer(text).body, "a:81");
  expect_outcomes({
      {"GET http://a/ HTTP/1.1\r\n\r\n", "400 closed"},
      {"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", "400 closed"},
      {"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n", "200 kept"},
  });
}

TEST(raw_request, connect_wants_a_host_and_a_port_and_is_refused_even_then) {
  expect_outcomes({
      {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "501 closed"},
      {"CONNECT [::1]:80 HTTP/1.1\r\nHost: a\r\n\r\n", "501 closed"},
      {"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"CONNECT a:65536 HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"CONNECT :80 HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"CONNECT u@a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"CONNECT http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
  });
}

// ---- The request line and the fields (RFC 9112, 2 to 5) ----

TEST(raw_request, every_later_minor_version_of_http_1_is_served_as_1_1) {
  for (char minor = '1'; minor <= '9'; ++minor) {
    std::string version = std::string{" HTTP/1."} + minor + "\r\n";
    EXPECT_EQ(outcome("POST /" + version + "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
              "200 kept");
    EXPECT_EQ(outcome("GET /" + version + "Host: a\r\nConnection: close\r\n\r\n"), "200 closed");
    EXPECT_EQ(outcome("GET /" + version + "\r\n"), "400 closed");
    auto sent = answers_to("GET /version" + version + "Host: a\r\n\r\n");
    EXPECT_TRUE(sent.ends_with("\r\n\r\n11")) << sent;
  }
}

TEST(raw_request, request_lines) {
  expect_outcomes({
      {"GET / HTTP/1.0\r\n\r\n", "200 closed"},
      {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", "505 closed"},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505 closed"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 closed"},
      {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / HTTP/11.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / HTTP/1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.x\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / HTTP/x.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / HTTP/1,1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / Http/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / \r\nHost: a\r\n\r\n", "400 closed"},
      {"GET /\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET  HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / x HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "400 closed"},
      {"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"get / HTTP/1.1\r\nHost: a\r\n\r\n", "501 kept"},
      {"!#$%&'*+-.^_`|~9z / HTTP/1.1\r\nHost: a\r\n\r\n", "501 kept"},
      {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "200 kept"},
      {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 closed"},
      {"* / HTTP/1.1\r\nHost: a\r\n\r\n", "501 kept"},
      {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400 kept"},
      {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "204 kept"},
  });
}

TEST(raw_request, header_lines) {
  using namespace std::string_view_literals;
  expect_outcomes({
      {"GET / HTTP/1.1\r\nHost: a\r\nX:y\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: \t y\tz \t\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~9: y\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: a:b\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX\t: y\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX(: z\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX\x80: z\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"sv, "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n"sv, "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: \x0b\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\n\n", "400 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nExpect:\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nExpect: , 100-Continue ,\r\nExpect: 100-continue\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", "417 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\n\r\n", "417 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nExpect: x=\"a, 100-continue\"\r\n\r\n", "417 closed"},
  });
}

TEST(raw_request, the_connection_field_and_no_other_decides_whether_the_connection_is_kept) {
  expect_outcomes({
      {"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: @,\"\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n", "200 closed"},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\nProxy-Connection: close\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nKeep-Alive: close\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", "200 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, close\r\n\r\n", "200 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: ,close\t,\r\n\r\n", "200 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, keep-alive\r\n\r\n", "200 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", "200 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", "200 closed"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x-close\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection:\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive; timeout=5\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.0\r\nConnection: TE,keep-alive\r\n\r\n", "200 kept"},
      {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "200 closed"},
      {"GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", "200 closed"},
  });
}

TEST(raw_request, a_head_request_whose_head_is_refused_gets_no_body) {
  server_options options{.max_header_bytes = 200, .max_target_bytes = 40, .max_header_fields = 3};
  for (std::string rest : {"/ HTTP/1.1\r\n\r\n", "/ HTTP/1.1\r\nHost: a b\r\n\r\n", "/ HTTP/2.0\r\nHost: a\r\n\r\n",
                           "/ HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", "/ HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
                           "/ HTTP/1.1\nHost: a\r\n\r\n", "/ HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
                           "/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                           "/ HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", "/../ HTTP/1.1\r\nHost: a\r\n\r\n",
                           "http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n", " / HTTP/1.1\r\nHost: a\r\n\r\n",
                           "/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n",
                           "/ HTTP/1.1\r\nHost: a\r\nX: y\r\nX: y\r\nX: y\r\n\r\n"}) {
    auto sent = answers_to("HEAD " + rest, options);
    EXPECT_TRUE(sent.starts_with("HTTP/1.1 4") || sent.starts_with("HTTP/1.1 5")) << rest << sent;
    EXPECT_NE(sent.find("\r\nContent-Length: "), std::string::npos) << rest;
    EXPECT_EQ(sent.find("\r\n\r\n"), sent.size() - 4) << rest << sent;
  }
  for (const auto& rest : {"/" + std::string(41, 'x'), "/ HTTP/1.1\r\nHost: a\r\nX: " + std::string(200, 'x'),
                           "/" + std::string(41, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    auto sent = answers_to("HEAD " + rest, options);
    EXPECT_EQ(sent.find("\r\n\r\n"), sent.size() - 4) << rest << sent;
  }
  EXPECT_NE(answers_to("HEADER / HTTP/1.1\r\n\r\n").find("\"error\""), std::string::npos);
}

// ---- Bodies (RFC 9112, 6 and 7) ----

TEST(raw_request, transfer_encoding_ends_with_chunked_and_other_codings_before_it_are_not_implemented) {
  constexpr std::string_view body = "3\r\nabc\r\n0\r\n\r\n";
  struct {
    std::string_view value;
    std::string_view outcome;
  } const rows[]{
      {"chunked", "200 kept"},
      {"CHUNKED", "200 kept"},
      {", chunked", "200 kept"},
      {"chunked,", "200 kept"},
      {" ,\t,chunked\t, ,", "200 kept"},
      {"chunked\r\nTransfer-Encoding:", "200 kept"},
      {"\r\nTransfer-Encoding: chunked", "200 kept"},
      {"gzip, chunked", "501 closed"},
      {"gzip,,chunked", "501 closed"},
      {"gzip\r\nTransfer-Encoding: chunked", "501 closed"},
      {"identity, chunked", "501 closed"},
      {"xchunked, chunked", "501 closed"},
      {"gzip;q=1, chunked", "501 closed"},
      {"gzip ; q=\"1\", chunked", "501 closed"},
      {"gzip;q=\"a,b\", chunked", "501 closed"},
      {"gzip;q=\"a\\\",b\", chunked", "501 closed"},
      {"gzip;q=\"a,chunked\", chunked", "501 closed"},
      {"gzip", "400 closed"},
      {"identity", "400 closed"},
      {"xchunked", "400 closed"},
      {"chunked, gzip", "400 closed"},
      {"chunked, identity", "400 closed"},
      {"chunked, chunked", "400 closed"},
      {"gzip, chunked, chunked", "400 closed"},
      {"chunked\r\nTransfer-Encoding: chunked", "400 closed"},
      {"chunked\r\nTransfer-Encoding: gzip", "400 closed"},
      {"chunked;q=1", "400 closed"},
      {"gzip chunked", "400 closed"},
      {"\"chunked\"", "400 closed"},
      {"gzip;q=\"a, chunked\"", "400 closed"},
      {"gzip;q=\"a, chunked", "400 closed"},
      {"gzip;q=\"a\\\", chunked", "400 closed"},
      {"\"gzip, gzip\", chunked", "400 closed"},
      {"gzip, chunked\"", "400 closed"},
      {"@, chunked", "400 closed"},
      {"chunked\x0b", "400 closed"},
      {",", "400 closed"},
      {"", "400 closed"},
      {"chunked\r\nContent-Length: 3", "400 closed"},
      {"gzip, chunked\r\nContent-Length: 3", "400 closed"},
      {"\r\nContent-Length: 3", "400 closed"},
  };
  for (const auto& [value, expected] : rows) {
    auto field = "Transfer-Encoding: " + std::string{value} + "\r\n";
    EXPECT_EQ(outcome(post(field, body)), expected) << value;
    EXPECT_EQ(outcome("POST / HTTP/1.0\r\nHost: a\r\n" + field + "\r\n" + std::string{body}), "400 closed") << value;
  }
  EXPECT_EQ(outcome(post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", body)), "400 closed");
}

TEST(raw_request, content_lengths) {
  struct {
    std::string_view value;
    std::string_view outcome;
  } const rows[]{
      {"3", "200 kept"},       {" \t3\t ", "200 kept"},
      {"003", "200 kept"},     {"3\r\nContent-Length: 3", "400 closed"},
      {"3, 3", "400 closed"},  {"+3", "400 closed"},
      {"-3", "400 closed"},    {"0x3", "400 closed"},
      {"3 3", "400 closed"},   {"3.0", "400 closed"},
      {"", "400 closed"},      {"18446744073709551616", "400 closed"},
      {"3,", "400 closed"},    {"18446744073709551615", "413 closed"},
      {"\"3\"", "400 closed"},
  };
  for (const auto& [value, expected] : rows) {
    EXPECT_EQ(outcome(post("Content-Length: " + std::string{value} + "\r\n", "abc")), expected) << value;
  }
}

TEST(raw_request, chunked_bodies) {
  struct {
    std::string_view body;
    std::string_view outcome;
  } const rows[]{
      {"3\r\nabc\r\n0\r\n\r\n", "200 kept"},
      {"0\r\n\r\n", "200 kept"},
      {"00003\r\nabc\r\n000\r\n\r\n", "200 kept"},
      {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "200 kept"},
      {"3;x\r\nabc\r\n0;y=z\r\n\r\n", "200 kept"},
      {"3 ; x = \"a;\\\"b\" ;y=1\r\nabc\r\n0\r\n\r\n", "200 kept"},
      {"3\nabc\r\n0\r\n\r\n", "400 closed"},
      {"3\r\nabc\n0\r\n\r\n", "400 closed"},
      {"3\r\nabcd\r\n0\r\n\r\n", "400 closed"},
      {"3\r\nabc0\r\n\r\n", "400 closed"},
      {"3\r\nabc\r\n0\n\r\n", "400 closed"},
      {"3\r\nabc\r\n0\r\n\n", "400 closed"},
      {"3\r\nabc\r\n0\r\r\n\r\n", "400 closed"},
      {"3 \r\nabc\r\n0\r\n\r\n", "400 closed"},
      {" 3\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"0x3\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"+3\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"3_0\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {";x\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"g\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"3;\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"3;=\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"3;x=\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"3;x=\"\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"3;x=\"a\nb\"\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"3;x\rabc\r\n0\r\n\r\n", "400 closed"},
      {"10000000000000003\r\nabc\r\n0\r\n\r\n", "400 closed"},
      {"ffffffffffffffff\r\nabc\r\n0\r\n\r\n", "413 closed"},
  };
  for (const auto& [body, expected] : rows) {
    EXPECT_EQ(outcome(post("Transfer-Encoding: chunked\r\n", body)), expected) << body;
  }
}

TEST(raw_request, trailers_are_held_to_the_rules_of_header_lines_and_have_no_effect) {
  using namespace std::string_view_literals;
  struct {
    std::string_view trailer;
    std::string_view outcome;
  } const rows[]{
      {"T: x\r\n", "200 kept"},
      {"T:\r\nU: \t v \t\r\n", "200 kept"},
      {"Content-Length: 7\r\nTransfer-Encoding: gzip\r\nConnection: close\r\nHost: a b\r\n", "200 kept"},
      {"T: x\r\n y\r\n", "400 closed"},
      {"T: x\r\n\ty\r\n", "400 closed"},
      {"T:\r\n x\r\n", "400 closed"},
      {" T: x\r\n", "400 closed"},
      {"T: x\r\n \r\n", "400 closed"},
      {"T : x\r\n", "400 closed"},
      {"T\r\n", "400 closed"},
      {": x\r\n", "400 closed"},
      {"T(: x\r\n", "400 closed"},
      {"T: x\n", "400 closed"},
      {"T: x\ry\r\n", "400 closed"},
      {"T: x\r\r\n", "400 closed"},
      {"T: \0\r\n"sv, "400 closed"},
      {"T: \x7f\r\n", "400 closed"},
  };
  for (const auto& [trailer, expected] : rows) {
    auto body = "1\r\nx\r\n0\r\n" + std::string{trailer} + "\r\n";
    EXPECT_EQ(outcome(post("Transfer-Encoding: chunked\r\n", body)), expected) << trailer;
  }
}

TEST(raw_request, a_trailer_beyond_the_limits_of_a_header_is_431) {
  auto with_trailer = [](const std::string& trailer) {
    return post("Transfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\n" + trailer + "\r\n");
  };
  server_options options{.max_header_bytes = 400, .max_header_fields = 6};
  auto line = [](std::size_t bytes) { return "T: " + std::string(bytes - 5, 'x') + "\r\n"; };
  // The empty line at its end counts, as in a header.
  EXPECT_EQ(outcome(with_trailer(line(398)), options), "200 kept");
  EXPECT_EQ(outcome(with_trailer(line(399)), options), "431 closed");
  EXPECT_EQ(outcome(with_trailer(line(200) + line(198)), options), "200 kept");
  EXPECT_EQ(outcome(with_trailer(line(200) + line(199)), options), "431 closed");
  EXPECT_EQ(outcome(post("Transfer-Encoding: chunked\r\n", "0\r\nT: " + std::string(100'000, 'x')), options),
            "431 closed");
  EXPECT_EQ(outcome(with_trailer(line(10) + line(10) + line(10) + line(10) + line(10) + line(10)), options),
            "200 kept");
  EXPECT_EQ(outcome(with_trailer(line(10) + line(10) + line(10) + line(10) + line(10) + line(10) + line(10)), options),
            "431 closed");
  EXPECT_EQ(outcome(post("Transfer-Encoding: chunked\r\n", "0\r\n" + line(399) + "\r\n", "/ignore"), options),
            "200 closed");
}

TEST(raw_request, an_answer_to_an_unread_chunked_body_says_whether_the_connection_is_kept_and_keeps_its_word) {
  auto chunks = [](std::size_t bytes) {
    std::string all;
    for (; bytes > 1000; bytes -= 1000) all += "3e8\r\n" + std::string(1000, 'x') + "\r\n";
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes);
    return all + size + std::string(bytes, 'x') + "\r\n0\r\n\r\n";
  };
  for (auto path : {"/ignore", "/nothing", "/../x"}) {
    std::string status = path == std::string_view{"/ignore"}    ? "200"
                         : path == std::string_view{"/nothing"} ? "404"
                                                                : "400";
    for (std::size_t bytes : {1u, 1000u, 65'536u}) {
      EXPECT_EQ(outcome(post("Transfer-Encoding: chunked\r\n", chunks(bytes), path)), status + " kept") << bytes;
    }
    for (std::size_t bytes : {65'537u, 200'000u, 3'000'000u}) {
      EXPECT_EQ(outcome(post("Transfer-Encoding: chunked\r\n", chunks(bytes), path)), status + " closed") << bytes;
    }
    EXPECT_EQ(outcome(post("Transfer-Encoding: chunked\r\n", "1\r\nx\r\nzz", path)), status + " closed");
  }
}

// ---- Answers ----

TEST(raw_request, reset_content_has_no_body_and_says_so) {
  for (std::string path : {"/reset", "/reset/streamed"}) {
    for (std::string head : {"GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n",
                             "GET " + path + " HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"}) {
      auto sent = answers_to(head + probe);
      std::string_view text = sent;
      auto got = take_answer(text);
      EXPECT_EQ(got.status, 205);
      EXPECT_EQ(got.field("Content-Length"), "0") << head;
      EXPECT_FALSE(got.has("Transfer-Encoding"));
      EXPECT_EQ(take_answer(text).body, "11") << head;
    }
  }
  EXPECT_EQ(reason(status::reset_content), "Reset Content");
}

}  // namespace
}  // namespace weft::http
