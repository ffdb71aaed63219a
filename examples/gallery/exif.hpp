#pragma once

#include <cstddef>
#include <span>

namespace gallery {

/// How a camera was held: which of the eight rotations and reflections makes the stored picture upright. The
/// numbers are EXIF's.
enum class orientation : unsigned char {
  upright = 1,
  mirrored = 2,
  half_turn = 3,
  flipped = 4,
  transposed = 5,
  quarter_right = 6,
  transversed = 7,
  quarter_left = 8,
};

/// True where showing the picture upright exchanges its width and height.
[[nodiscard]] constexpr bool swaps_sides(orientation held) noexcept { return held >= orientation::transposed; }

/// The orientation that a block of EXIF data states (a TIFF header and its first directory, as in a PNG's eXIf chunk
/// and behind "Exif\0\0" in a JPEG). `upright` where it states none or is damaged: a wrong guess turns a picture.
[[nodiscard]] orientation read_orientation(std::span<const std::byte> tiff) noexcept;

}  // namespace gallery
