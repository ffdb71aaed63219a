#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/http/header_field.hpp>

namespace weft::http::test {

/// A response, taken apart by a second, naive reader of the protocol.
struct answer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;

  [[nodiscard]] std::string field(std::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (equals_ignoring_case(key, name)) return value;
    }
    return {};
  }
  [[nodiscard]] bool has(std::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (equals_ignoring_case(key, name)) return true;
    }
    return false;
  }
};

inline std::string take(std::string_view& text, std::size_t bytes) {
  EXPECT_LE(bytes, text.size()) << "the response ends too early";
  std::string taken{text.substr(0, bytes)};
  text.remove_prefix(taken.size());
  return taken;
}

inline std::string take_line(std::string_view& text) {
  auto end = text.find("\r\n");
  EXPECT_NE(end, std::string_view::npos) << "a line does not end: " << text.substr(0, 100);
  if (end == std::string_view::npos) end = text.size();
  auto line = take(text, end);
  text.remove_prefix(std::min<std::size_t>(2, text.size()));
  return line;
}

inline std::string take_chunks(std::string_view& text) {
  std::string body;
  for (;;) {
    auto size = std::strtoul(take_line(text).c_str(), nullptr, 16);
    body += take(text, size);
    EXPECT_EQ(take_line(text), "");
    if (size == 0 || text.empty()) return body;
  }
}

enum class asked_by : std::uint8_t { get, head };

inline answer take_answer(std::string_view& text, asked_by how = asked_by::get) {
  answer parsed;
  auto line = take_line(text);
  EXPECT_TRUE(line.starts_with("HTTP/1.1 ")) << line;
  parsed.status = line.size() > 9 ? std::atoi(line.c_str() + 9) : 0;
  while (!text.empty()) {
    line = take_line(text);
    if (line.empty()) break;
    auto colon = line.find(": ");
    EXPECT_NE(colon, std::string::npos) << line;
    parsed.fields.emplace_back(line.substr(0, colon), line.substr(std::min(colon + 2, line.size())));
  }
  if (how == asked_by::head || parsed.status < 200 || parsed.status == 204 || parsed.status == 304) return parsed;
  if (parsed.field("Transfer-Encoding") == "chunked") {
    parsed.body = take_chunks(text);
  } else if (parsed.has("Content-Length")) {
    parsed.body = take(text, std::strtoul(parsed.field("Content-Length").c_str(), nullptr, 10));
  } else {
    parsed.body = take(text, text.size());
  }
  return parsed;
}

inline std::vector<answer> take_answers(std::string_view text) {
  std::vector<answer> all;
  while (!text.empty() && !::testing::Test::HasFailure()) all.push_back(take_answer(text));
  return all;
}

}  // namespace weft::http::test
