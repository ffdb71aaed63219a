#include "access_policy.hpp"

#include <chrono>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/folder.hpp"

namespace {

using gallery::access_policy;
using gallery::sender;

const gallery::guess_limit::time_point start{};

/// The code of the refusal; "" where there is none.
std::string refusal(const sender& who, access_policy::settings settings = {}) {
  const auto why = access_policy(std::move(settings)).check(who, start);
  return why ? why->code : "";
}

TEST(access_policy, addresses_and_localhost_are_known_hosts) {
  for (const char* host : {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080",
                           "[::1]", "192.168.1.7:80", "localhost.", "localhost.:8080", "localhost:"}) {
    EXPECT_EQ(refusal({.host = host}), "") << host;
  }
}

TEST(access_policy, a_name_that_somebody_pointed_here_is_refused_even_for_reading) {
  for (const char* host :
       {"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "", ":8080", "[::1",
        "localhost@evil.example", "127.0.0.1:18480.evil.example", "localhost:80.evil.example", "[::1]:80.evil.example",
        "[::1]evil.example", "localhost:8080:80", "127.0.0.1:80:evil", "localhost..", ".", "localhost:http",
        "127.0.0.1.:80x", "localhost:123456"}) {
    EXPECT_EQ(refusal({.host = host}), "unknown_host") << host;
  }
}

TEST(access_policy, a_request_without_a_host_is_answered_since_no_browser_sends_one) {
  EXPECT_EQ(refusal({}), "");
  EXPECT_EQ(refusal({.changes_something = true}), "");
  EXPECT_EQ(refusal({.changes_something = true, .origin = "http://evil.example"}), "foreign_page");
}

TEST(access_policy, a_name_that_was_given_is_known) {
  EXPECT_EQ(refusal({.host = "Photos.example:8080"}, {.hosts = {"photos.example"}}), "");
  EXPECT_EQ(refusal({.host = "photos.example."}, {.hosts = {"photos.example"}}), "");
  EXPECT_EQ(refusal({.host = "other.example"}, {.hosts = {"photos.example"}}), "unknown_host");
}

TEST(access_policy, only_pages_of_the_same_origin_may_change_something) {
  const auto from = [](const char* origin) {
    return refusal({.changes_something = true, .host = "localhost:8080", .origin = origin});
  };
  EXPECT_EQ(from("http://localhost:8080"), "");
  EXPECT_EQ(from("https://localhost:8080"), "") << "behind a proxy that speaks TLS";
  for (const char* origin : {"http://evil.example", "http://localhost:8081", "http://localhost", "null", "",
                             "http://localhost:8080.evil.example", "ftp://localhost:8080", "localhost:8080"}) {
    EXPECT_EQ(from(origin), "foreign_page") << origin;
  }
  EXPECT_EQ(refusal({.host = "localhost", .origin = "http://evil.example"}), "") << "the browser guards reading";
}

TEST(access_policy, where_a_browser_says_that_a_request_crosses_sites_it_is_refused) {
  const auto at = [](const char* site) {
    return refusal({.changes_something = true, .host = "localhost", .fetch_site = site});
  };
  EXPECT_EQ(at("same-origin"), "");
  EXPECT_EQ(at("none"), "");
  EXPECT_EQ(at("same-site"), "foreign_page");
  EXPECT_EQ(at("cross-site"), "foreign_page");
}

TEST(access_policy, changes_need_the_token_and_reading_does_not) {
  const auto with = [](std::optional<std::string_view> authorization, bool changes_something = true) {
    return refusal({.changes_something = changes_something, .host = "localhost", .authorization = authorization},
                   {.token = "0123456789abcdef"});
  };
  EXPECT_EQ(with("Bearer 0123456789abcdef"), "");
  EXPECT_EQ(with("bearer 0123456789abcdef"), "");
  EXPECT_EQ(with(std::nullopt, false), "");
  for (const char* wrong : {"", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0",
                            "Bearer 0123456789abcdeF", "Basic 0123456789abcdef", "0123456789abcdef"}) {
    EXPECT_EQ(with(wrong), "token_needed") << wrong;
  }
  EXPECT_EQ(with(std::nullopt), "token_needed");
}

class guesses : public testing::Test {
 protected:
  std::string guess(std::string_view token, std::string_view peer = "192.0.2.1:4711") {
    const std::string field = "Bearer " + std::string(token);
    const auto why =
        policy.check({.changes_something = true, .peer = peer, .host = "localhost", .authorization = field}, now);
    return why ? why->code : "";
  }

  static constexpr std::string_view right = "0123456789abcdef";
  access_policy policy{{.hosts = {}, .token = std::string(right)}};
  gallery::guess_limit::time_point now = start;
};

TEST_F(guesses, of_the_token_are_few_in_any_time) {
  unsigned looked_at = 0;
  for (int second = 0; second < 3'600; ++second) {
    for (int time = 0; time < 10; ++time) looked_at += guess("wrong") == "token_needed" ? 1 : 0;
    now += std::chrono::seconds(1);
  }
  EXPECT_LT(looked_at, 100u);
  EXPECT_EQ(guess(right), "too_many_guesses") << "or else a guess would be told from the token";
}

TEST_F(guesses, that_are_wrong_now_and_then_cost_nothing) {
  for (int time = 0; time < 100; ++time) {
    for (unsigned wrong = 0; wrong + 1 < gallery::guess_limit::free_guesses; ++wrong) {
      EXPECT_EQ(guess("wrong"), "token_needed");
    }
    EXPECT_EQ(guess(right), "");
  }
}

TEST_F(guesses, are_forgiven_after_the_wait) {
  for (unsigned wrong = 0; wrong < gallery::guess_limit::free_guesses; ++wrong) EXPECT_EQ(guess("x"), "token_needed");
  EXPECT_EQ(guess(right), "too_many_guesses");
  now += gallery::guess_limit::shortest_wait;
  EXPECT_EQ(guess(right), "");
  EXPECT_EQ(guess("x"), "token_needed");
}

TEST_F(guesses, keep_out_their_own_sender_alone_whatever_port_it_comes_from) {
  for (unsigned wrong = 0; wrong < gallery::guess_limit::free_guesses; ++wrong) {
    EXPECT_EQ(guess("wrong", "[2001:db8::" + std::to_string(wrong + 1) + "]:80"), "token_needed");
  }
  EXPECT_EQ(guess(right, "[2001:db8::99]:81"), "too_many_guesses");
  EXPECT_EQ(guess(right, "[2001:db8:0:1::1]:80"), "");
  EXPECT_EQ(guess(right), "");
}

TEST_F(guesses, from_ever_new_addresses_take_no_more_memory) {
  gallery::guess_limit limit;
  for (unsigned sender = 0; sender < 3 * gallery::guess_limit::most_senders; ++sender) {
    now += std::chrono::milliseconds(1);
    for (unsigned wrong = 0; wrong < gallery::guess_limit::free_guesses; ++wrong)
      limit.wrong(std::to_string(sender), now);
  }
  EXPECT_FALSE(limit.wait_of("0", now));
  EXPECT_TRUE(limit.wait_of(std::to_string(3 * gallery::guess_limit::most_senders - 1), now));
}

TEST(access_policy, a_token_is_the_first_line_of_its_file) {
  const temporary_folder folder;
  const auto read = [&](std::string_view contents) {
    std::ofstream(folder / "token", std::ios::trunc) << contents;
    const auto token = gallery::read_token((folder / "token").string());
    return token ? *token : "refused";
  };
  EXPECT_EQ(read("0123456789abcdef\n"), "0123456789abcdef");
  EXPECT_EQ(read("0123456789abcdef\r\nanother line"), "0123456789abcdef");
  EXPECT_EQ(read(""), "refused");
  EXPECT_EQ(read("short\n"), "refused");
  EXPECT_EQ(read("with spaces in between\n"), "refused");
  EXPECT_FALSE(gallery::read_token((folder / "none").string()));
}

}  // namespace
