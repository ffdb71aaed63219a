#include <gtest/gtest.h>

#include <weft/net/endpoint.hpp>

namespace weft {
namespace {

TEST(endpoint, reads_back_what_it_writes) {
  for (auto text : {"127.0.0.1:7000", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0", "[2001:db8::5]:443",
                    "[fe80::1%7]:22", "[::ffff:10.0.0.1]:1"}) {
    auto parsed = endpoint::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->to_string(), text);
    EXPECT_EQ(endpoint::parse(parsed->to_string()), parsed);
  }
}

TEST(endpoint, says_what_is_wrong_with_a_text_that_is_not_a_numeric_address_and_a_port) {
  struct refused {
    std::string_view text;
    errc why;
  };
  for (const auto& [text, why] : {refused{"", errc::no_port},
                                  {":", errc::no_port},
                                  {":80", errc::no_address},
                                  {":80x", errc::bad_port},
                                  {"80", errc::no_port},
                                  {"localhost", errc::no_port},
                                  {"localhost:80", errc::not_numeric},
                                  {"localhost:http", errc::bad_port},
                                  {"127.0.0.1", errc::no_port},
                                  {"127.0.0.1:", errc::no_port},
                                  {"127.0.0.1:65536", errc::bad_port},
                                  {"127.0.0.1:-1", errc::bad_port},
                                  {"127.0.0.1:+1", errc::bad_port},
                                  {"127.0.0.1:80x", errc::bad_port},
                                  {" 127.0.0.1:80", errc::not_numeric},
                                  {"127.0.0.1 :80", errc::not_numeric},
                                  {"127.0.0:80", errc::not_numeric},
                                  {"256.0.0.1:80", errc::not_numeric},
                                  {"127.0.0.1%1:80", errc::not_numeric},
                                  {"::1:80", errc::no_port},
                                  {"[::1]", errc::no_port},
                                  {"[::1:80", errc::not_numeric},
                                  {"[127.0.0.1]:80", errc::not_numeric},
                                  {"[]:80", errc::no_address},
                                  {"[::1%]:80", errc::not_numeric},
                                  {"[::1%no-such-interface]:80", errc::not_numeric}}) {
    EXPECT_EQ(endpoint::parse(text).error(), why) << text;
  }
  EXPECT_EQ(endpoint::parse(std::string_view{"127.0.0.1\0x:80", 14}).error(), errc::not_numeric);
}

TEST(endpoint, knows_its_port_family_and_scope) {
  auto four = endpoint::parse("10.1.2.3", 80).value();
  EXPECT_FALSE(four.is_ipv6());
  EXPECT_EQ(four.port(), 80);
  EXPECT_EQ(four.with_port(81).to_string(), "10.1.2.3:81");
  EXPECT_EQ(four, (endpoint{endpoint::ipv4_address{10, 1, 2, 3}, 80}));
  auto six = endpoint::parse("fe80::2%3", 80).value();
  EXPECT_TRUE(six.is_ipv6());
  EXPECT_EQ(six.scope(), 3u);
  EXPECT_EQ(endpoint::parse("[::1%lo]:1")->scope(), endpoint::parse("[::1%1]:1")->scope());
}

TEST(endpoint, knows_which_addresses_only_this_machine_reaches) {
  for (auto text : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(endpoint::parse(text, 1)->is_loopback()) << text;
  }
  for (auto text : {"0.0.0.0", "10.0.0.1", "128.0.0.1", "::", "::2", "fe80::1", "::ffff:10.0.0.1", "::127.0.0.1"}) {
    EXPECT_FALSE(endpoint::parse(text, 1)->is_loopback()) << text;
  }
}

}  // namespace
}  // namespace weft
