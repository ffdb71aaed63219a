#include "weft/http/h1/request_target.hpp"

#include <gtest/gtest.h>

#include <memory_resource>
#include <string>

#include "weft/http/h1/text.hpp"

namespace weft::http::detail {
namespace {

/// The decoded path, or the status it is refused with.
std::string path_of(std::string_view target, http::method method = method::get) {
  std::pmr::monotonic_buffer_resource memory;
  auto parsed = parse_request_target(method, target, memory);
  return parsed ? std::string{parsed->path} : std::to_string(to_number(parsed.error().status));
}

TEST(request_target, a_path_is_decoded_and_the_query_is_not) {
  std::pmr::monotonic_buffer_resource memory;
  auto parsed = parse_request_target(method::get, "/caf%C3%A9/a%20b?x=%20&y", memory);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->path, "/café/a b");
  EXPECT_EQ(parsed->query, "x=%20&y");
  EXPECT_EQ(path_of("/caf\xc3\xa9"), "/café");
  EXPECT_EQ(path_of("/%7Euser/%2e.x/..."), "/~user/..x/...");
  EXPECT_EQ(path_of("/?"), "/");
  EXPECT_EQ(path_of("//"), "//");
}

TEST(request_target, every_spelling_of_a_dot_segment_is_refused) {
  for (auto target : {"/..", "/.", "/../etc/passwd", "/a/../b", "/a/./b", "/a/..", "/%2e%2e/x", "/a/%2E./b", "/.%2e",
                      "/a/..?x", "http://h/../x"}) {
    EXPECT_EQ(path_of(target), "400") << target;
  }
}

TEST(request_target, escapes_that_hide_a_slash_a_backslash_or_a_control_character_are_refused) {
  for (auto target : {"/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a%00", "/a%0d%0a", "/a%1f", "/a%7f"}) {
    EXPECT_EQ(path_of(target), "400") << target;
  }
}

TEST(request_target, a_bad_escape_and_bad_utf8_are_refused_in_path_and_query) {
  for (auto target : {"/%", "/%4", "/%4g", "/%%41", "/%c3", "/%c0%af", "/%ed%a0%80", "/\xff", "/?%", "/?a=%zz", "/?%00",
                      "/?%ff", "/?a#b", "/a#b"}) {
    EXPECT_EQ(path_of(target), "400") << target;
  }
}

TEST(request_target, the_absolute_form_names_the_host_and_others_are_refused) {
  std::pmr::monotonic_buffer_resource memory;
  auto parsed = parse_request_target(method::get, "http://a.example:81/b?c", memory);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->authority, "a.example:81");
  EXPECT_EQ(parsed->path, "/b");
  EXPECT_EQ(parsed->query, "c");
  EXPECT_EQ(path_of("http://a.example"), "/");
  EXPECT_EQ(path_of("*", method::options), "*");
  for (auto target : {"*", "photos", "http:///x", "ftp://a/b", "a.example:80", "://x"}) {
    EXPECT_EQ(path_of(target), "400") << target;
  }
  EXPECT_EQ(path_of("a.example:443", method::connect), "501");
}

TEST(text, json_is_escaped_and_bytes_that_are_no_utf8_are_replaced) {
  std::string text;
  append_json_escaped(text, "a\"\\\n\x7f caf\xc3\xa9 \xff \xe2\x82");
  EXPECT_EQ(text, "a\\\"\\\\\\u000a\\u007f caf\xc3\xa9 \\ufffd \\ufffd\\ufffd");
}

TEST(text, only_well_formed_utf8_is_valid) {
  for (auto good :
       {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_valid_utf8(good)) << good;
  }
  for (auto bad : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                   "\xf5\x80\x80\x80", "\xe2\x82", "\xc3", "\xc3(", "a\xff"}) {
    EXPECT_FALSE(is_valid_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace weft::http::detail
