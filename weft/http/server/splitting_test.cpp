#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <weft/base/random.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>

#include "tests/support/http/answers.hpp"
#include "tests/support/http/scripted_stream.hpp"
#include "tests/support/http/seed.hpp"

// A network may cut a connection's bytes anywhere: the answers must not depend on where.
namespace weft::http {
namespace {

/// Requests of every kind of framing, good and bad, each conversation at most a few hundred bytes.
const std::vector<std::string> conversations{
    "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /a/b%20c?q=%41 HTTP/1.1\r\nhost: a\r\nX: y\r\n\r\n",
    "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n"
    "T: u\r\n\r\nPOST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcdGET /hello HTTP/1.1\r\nHost: "
    "a\r\n\r\n",
    "\r\nHEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / "
    "HTTP/1.0\r\n\r\n",
    "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n",
    "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: a\r\n folded\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /../x HTTP/1.1\r\nHost: a\r\n\r\nPUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxFROB / "
    "HTTP/1.1\r\n"
    "Host: a\r\n\r\n",
};

router routes() {
  router all;
  all.get("/hello", [](request&, response& answer) { answer.text("hello"); });
  all.get("/a/{b}", [](request& asked, response& answer) {
    answer.text(std::string{asked.parameter("b")} + std::string{asked.query_parameter("q").value_or("-")});
  });
  all.post("/count", [](request& asked, response& answer) {
    if (auto body = asked.body().read_all()) answer.text(*body);
  });
  all.post("/ignore", [](request&, response& answer) { answer.text("ignored"); });
  return all;
}

/// All that the peer gets, but for the time of day.
std::string answers_to(server& tested, test::scripted_stream& stream) {
  tested.serve_connection(stream);
  auto text = stream.sent;
  for (auto date = text.find("Date: "); date != std::string::npos; date = text.find("Date: ", date + 1)) {
    text.replace(date, text.find("\r\n", date) - date, "Date: now");
  }
  return text;
}

std::string answers_to(server& tested, std::string_view bytes) {
  test::scripted_stream stream{bytes};
  return answers_to(tested, stream);
}

TEST(splitting, two_cuts_anywhere_change_nothing) {
  server tested{routes()};
  for (const auto& conversation : conversations) {
    std::string_view text = conversation;
    auto expected = answers_to(tested, text);
    ASSERT_FALSE(expected.empty());
    for (std::size_t first = 0; first < text.size(); ++first) {
      for (auto second = first; second < text.size(); second += 1 + first % 3) {
        test::scripted_stream stream;
        stream.sends(text.substr(0, first)).sends(text.substr(first, second - first)).sends(text.substr(second));
        ASSERT_EQ(answers_to(tested, stream), expected) << text << "\ncut at " << first << " and " << second;
      }
    }
  }
}

TEST(splitting, byte_by_byte_changes_nothing) {
  server tested{routes()};
  for (const auto& conversation : conversations) {
    test::scripted_stream stream;
    for (char c : conversation) stream.sends({&c, 1});
    ASSERT_EQ(answers_to(tested, stream), answers_to(tested, conversation)) << conversation;
  }
}

TEST(splitting, damaged_requests_are_answered_alike_however_they_are_cut) {
  auto seed = test::seed();
  base::random random{seed};
  server tested{routes()};
  constexpr std::string_view damage = "\r\n\0\t :;,%/?#\\.0a\x7f\xff";
  for (int round = 0; round < 20'000; ++round) {
    auto text = conversations[random.below(static_cast<std::uint32_t>(conversations.size()))];
    for (auto count = 1 + random.below(3); count > 0; --count) {
      auto place = random.below(static_cast<std::uint32_t>(text.size()));
      char c = damage[random.below(static_cast<std::uint32_t>(damage.size()))];
      switch (random.below(3)) {
        case 0: text[place] = c; break;
        case 1: text.insert(place, 1, c); break;
        default: text.erase(place, 1); break;
      }
    }
    test::scripted_stream pieces;
    for (std::string_view rest = text; !rest.empty();) {
      auto bytes = std::min<std::size_t>(rest.size(), 1 + random.below(40));
      pieces.sends(rest.substr(0, bytes));
      rest.remove_prefix(bytes);
    }
    ASSERT_EQ(answers_to(tested, pieces), answers_to(tested, text)) << "seed " << seed << "\n" << text;
  }
}

}  // namespace
}  // namespace weft::http
