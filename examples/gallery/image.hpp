#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "picture.hpp"
#include "problem.hpp"

namespace gallery {

/// What a photo may be. Bytes are the caller's to count before they are read.
inline constexpr std::size_t max_photo_bytes = 20'000'000;
inline constexpr std::size_t max_photo_pixels = 100'000'000;
inline constexpr unsigned max_photo_side = 65'500;  ///< JPEG's own limit, for both types

/// The longest sides that thumbnails have, largest first.
inline constexpr unsigned thumbnail_sides[] = {1024, 256};

enum class image_type { jpeg, png };
[[nodiscard]] std::string_view name(image_type type) noexcept;        ///< "jpeg"
[[nodiscard]] std::string_view media_type(image_type type) noexcept;  ///< "image/jpeg"

/// What a photo's header says.
struct image_header {
  image_type type = image_type::jpeg;
  dimensions stored;              ///< before it is turned upright
  std::size_t working_bytes = 0;  ///< an upper bound of the memory that `render` needs for it
};

struct thumbnail {
  unsigned longest_side = 0;  ///< which of `thumbnail_sides` it is; the picture may be smaller
  dimensions size;
  std::vector<std::byte> jpeg;
};

struct rendition {
  dimensions upright;  ///< the photo's size when seen the right way up
  std::vector<thumbnail> thumbnails;
};

/// Calls the body for 0 … count-1, in any order, perhaps at the same time; returns when all have returned.
using parallel_for = std::function<void(std::size_t count, const std::function<void(std::size_t)>& body)>;
void one_after_another(std::size_t count, const std::function<void(std::size_t)>& body);

/// Reads the header alone: what `photo` is by its content, and whether it is within the limits. Allocates nothing that
/// depends on what the header says.
/// Thread: any.
[[nodiscard]] outcome<image_header> inspect(std::span<const std::byte> photo);

/// Decodes the whole photo, so that damage anywhere in it is found, and makes its thumbnails: JPEG, upright, aspect
/// kept, never larger than the photo, and without its metadata.
/// Thread: any; computes from a millisecond to seconds.
[[nodiscard]] outcome<rendition> render(std::span<const std::byte> photo, const parallel_for& run = one_after_another);

}  // namespace gallery
