#include "wire.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace gallery {
namespace {

// Written by hand: the usual library's values allocate when they are destroyed, and end the program where there is no
// memory.

void append_escaped_byte(std::string& json, unsigned char each) {
  fmt::format_to(std::back_inserter(json), "\\u{:04x}", each);
}

/// How many bytes at the start of `text` are one UTF-8 character; 0 if they are none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length == 0 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t index = 1; index < length; ++index) {
    if ((byte(index) & 0xc0) != 0x80) return 0;
  }
  // Longer than needed, surrogates, and beyond Unicode's end.
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return length;
}

/// A JSON string. What a moderator wrote into a verdict need not be UTF-8: what is none becomes U+FFFD.
std::string json_string(std::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0) {
      json += "\xef\xbf\xbd";
    } else if (first < 0x20) {
      append_escaped_byte(json, first);
    } else {
      if (first == '"' || first == '\\') json += '\\';
      json += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return json += '"';
}

}  // namespace

std::string to_json(const photo_record& photo) {
  return fmt::format(
      R"({{"id":"{0}","type":"{1}","width":{2},"height":{3},"bytes":{4},"sha256":{5},"created_at":"{6}","verdict":{7},)"
      R"("links":{{"self":"/photos/{0}","original":"/photos/{0}/original",)"
      R"("thumbnail_256":"/photos/{0}/thumbnail?size=256","thumbnail_1024":"/photos/{0}/thumbnail?size=1024"}}}})",
      photo.id.text(), media_type(photo.type), photo.size.width, photo.size.height, photo.bytes,
      json_string(photo.sha256), to_text(photo.created_us), json_string(photo.verdict));
}

std::string to_json(const photo_page& page) {
  std::string json = R"({"photos":[)";
  for (const auto& each : page.photos) {
    if (&each != &page.photos.front()) json += ',';
    json += to_json(each);
  }
  json += R"(],"next_cursor":)";
  json += page.next.empty() ? "null" : json_string(page.next);
  return json += '}';
}

std::string question(const photo_record& photo) {
  return fmt::format(R"({{"id":"{}","sha256":{},"type":"{}","width":{},"height":{},"bytes":{}}})", photo.id.text(),
                     json_string(photo.sha256), media_type(photo.type), photo.size.width, photo.size.height,
                     photo.bytes);
}

std::string to_text(std::int64_t microseconds) {
  const std::time_t seconds = microseconds / 1'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, microseconds % 1'000'000);
}

std::int64_t microseconds_since_1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace gallery
