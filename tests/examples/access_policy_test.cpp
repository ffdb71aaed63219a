#include "access_policy.hpp"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "folder.hpp"

namespace {

using gallery::access_policy;
using gallery::sender;

/// The code of the refusal; "" where there is none.
std::string refusal(const sender& who, access_policy::settings settings = {}) {
  const auto why = access_policy(std::move(settings)).check(who);
  return why ? why->code : "";
}

TEST(access_policy, addresses_and_localhost_are_known_hosts) {
  for (const char* host : {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080",
                           "[::1]", "192.168.1.7:80"}) {
    EXPECT_EQ(refusal({.host = host}), "") << host;
  }
}

TEST(access_policy, a_name_that_somebody_pointed_here_is_refused_even_for_reading) {
  for (const char* host : {"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "",
                           ":8080", "[::1", "localhost@evil.example"}) {
    EXPECT_EQ(refusal({.host = host}), "unknown_host") << host;
  }
}

TEST(access_policy, a_name_that_was_given_is_known) {
  EXPECT_EQ(refusal({.host = "Photos.example:8080"}, {.hosts = {"photos.example"}}), "");
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
