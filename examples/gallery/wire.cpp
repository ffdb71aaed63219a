#include "wire.hpp"

#include <chrono>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gallery {
namespace {

nlohmann::ordered_json object(const photo_record& photo) {
  const auto path = fmt::format("/photos/{}", photo.id.text());
  return {{"id", photo.id.text()},
          {"type", media_type(photo.type)},
          {"width", photo.size.width},
          {"height", photo.size.height},
          {"bytes", photo.bytes},
          {"sha256", photo.sha256},
          {"created_at", to_text(photo.created_us)},
          {"verdict", photo.verdict},
          {"links",
           {{"self", path},
            {"original", path + "/original"},
            {"thumbnail_256", path + "/thumbnail?size=256"},
            {"thumbnail_1024", path + "/thumbnail?size=1024"}}}};
}

/// What a moderator wrote into a verdict need not be UTF-8.
std::string dump(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

std::string to_json(const photo_record& photo) { return dump(object(photo)); }

std::string to_json(const photo_page& page) {
  auto photos = nlohmann::ordered_json::array();
  for (const auto& each : page.photos) photos.push_back(object(each));
  nlohmann::ordered_json result{{"photos", std::move(photos)}, {"next_cursor", nullptr}};
  if (!page.next.empty()) result["next_cursor"] = page.next;
  return dump(result);
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
