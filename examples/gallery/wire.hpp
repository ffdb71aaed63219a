#pragma once

#include <cstdint>
#include <string>

#include "catalogue.hpp"

namespace gallery {

/// A photo as clients see it: a JSON object.
[[nodiscard]] std::string to_json(const photo_record& photo);

/// {"photos": […], "next_cursor": "…" or null}
[[nodiscard]] std::string to_json(const photo_page& page);

/// What the moderator is asked about a photo.
[[nodiscard]] std::string question(const photo_record& photo);

/// "2026-01-31T23:59:59.123456Z"
[[nodiscard]] std::string to_text(std::int64_t microseconds_since_1970);

[[nodiscard]] std::int64_t microseconds_since_1970();

}  // namespace gallery
