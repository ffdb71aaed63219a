#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "image.hpp"

namespace gallery {

/// A decoded photo, as it was stored: not yet upright.
struct decoded_photo {
  picture pixels;
  orientation held = orientation::upright;
};

[[nodiscard]] outcome<image_header> read_jpeg_header(std::span<const std::byte> photo);

/// Decodes the whole file; everything that libjpeg would only warn of is an error. The picture comes out at a fraction
/// of its size, which saves most of the time, but not below `longest` on its longest side.
[[nodiscard]] outcome<decoded_photo> decode_jpeg(std::span<const std::byte> photo, unsigned longest);

[[nodiscard]] std::vector<std::byte> encode_jpeg(picture source);

[[nodiscard]] outcome<image_header> read_png_header(std::span<const std::byte> photo);

/// Decodes the whole file, all its checksums included, and shrinks it to `longest` on its longest side.
[[nodiscard]] outcome<decoded_photo> decode_png(std::span<const std::byte> photo, unsigned longest);

}  // namespace gallery
