#include <gtest/gtest.h>

#include <regex>
#include <string>

#include <openssl/evp.h>

#include "page.hpp"

namespace gallery {
namespace {

/// What stands between <tag> and </tag>.
std::string content_of(const std::string& tag) {
  const std::string html{page_html()};
  auto begin = html.find("<" + tag + ">") + tag.size() + 2;
  return html.substr(begin, html.find("</" + tag + ">") - begin);
}

std::string base64_sha256(const std::string& text) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), hash, &size, EVP_sha256(), nullptr);
  unsigned char encoded[2 * EVP_MAX_MD_SIZE];
  auto length = EVP_EncodeBlock(encoded, hash, static_cast<int>(size));
  return {encoded, encoded + length};
}

TEST(page, is_whole) {
  EXPECT_TRUE(page_html().starts_with("<!doctype html>"));
  EXPECT_TRUE(page_html().ends_with("</html>\n"));
  EXPECT_NE(page_html().find("µs"), std::string_view::npos) << "its UTF-8 was damaged";
}

TEST(page, has_a_policy_with_the_hashes_of_its_own_script_and_style) {
  const std::string policy{page_content_security_policy()};
  EXPECT_NE(policy.find("default-src 'none';"), std::string::npos);
  EXPECT_NE(policy.find("script-src 'sha256-" + base64_sha256(content_of("script")) + "';"), std::string::npos);
  EXPECT_NE(policy.find("style-src 'sha256-" + base64_sha256(content_of("style")) + "';"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
}

TEST(page, loads_nothing_from_elsewhere) {
  const std::string html{page_html()};
  const std::regex elsewhere{R"((src|href)\s*=\s*["']?(https?:)?//|url\(\s*["']?(https?:)?//|@import)"};
  EXPECT_FALSE(std::regex_search(html, elsewhere));
}

TEST(page, has_a_tag_that_a_header_can_carry) {
  EXPECT_TRUE(std::regex_match(std::string{page_etag()}, std::regex{R"("[0-9a-f]{64}")"}));
}

}  // namespace
}  // namespace gallery
