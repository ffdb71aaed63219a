#include <gtest/gtest.h>

#include <weft/http/url.hpp>

namespace weft::http {
namespace {

TEST(url, takes_apart_what_a_client_needs) {
  EXPECT_EQ(*url::parse("http://localhost"), (url{"localhost", 80, "/"}));
  EXPECT_EQ(*url::parse("HTTP://localhost:8080/a/b?c=d#e"), (url{"localhost", 8080, "/a/b?c=d"}));
  EXPECT_EQ(*url::parse("http://127.0.0.1:65535?x"), (url{"127.0.0.1", 65535, "/?x"}));
  EXPECT_EQ(*url::parse("http://[::1]:9/x"), (url{"::1", 9, "/x"}));
  EXPECT_EQ(*url::parse("http://[::1]"), (url{"::1", 80, "/"}));
}

TEST(url, characters_that_a_target_may_not_have_are_escaped) {
  EXPECT_EQ(url::parse("http://a/gr\xc3\xbc\xc3\x9f?q={\"x\"}")->target, "/gr%C3%BC%C3%9F?q=%7B%22x%22%7D");
  EXPECT_EQ(url::parse("http://a/%41?100%")->target, "/%41?100%25");
}

TEST(url, the_host_field_has_brackets_and_a_port_where_needed) {
  EXPECT_EQ(url::parse("http://a.example/")->host_field(), "a.example");
  EXPECT_EQ(url::parse("http://a.example:81/")->host_field(), "a.example:81");
  EXPECT_EQ(url::parse("http://[::1]:81/")->host_field(), "[::1]:81");
}

TEST(url, refuses_what_is_no_http_url_or_would_break_the_request_line) {
  for (auto text : {"",
                    "localhost",
                    "http:/x",
                    "http://",
                    "http:///x",
                    "http://a:0/",
                    "http://a:65536/",
                    "http://a:x/",
                    "http://a:1:2/",
                    "http://user@a/",
                    "http://user:pass@a/",
                    "http://a b/",
                    "http://a/b c",
                    "http://a/\r\nX: y",
                    "http://[::1/",
                    "http://[]/",
                    "http://[::1]x/",
                    "http://[a.b]/",
                    "http://a\\b/",
                    "http://a%41/"}) {
    auto parsed = url::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error(), errc::malformed) << text;
  }
  EXPECT_EQ(url::parse("https://a/").error(), errc::unavailable);
}

}  // namespace
}  // namespace weft::http
