#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

// Photos made for the tests, whole and broken.
namespace photos {

using bytes = std::vector<std::byte>;

/// A test card: red, green, blue and white quarters (top left, top right, bottom left, bottom right), so that a
/// thumbnail shows which way up it is.
[[nodiscard]] std::vector<std::uint8_t> card(unsigned width, unsigned height);

struct jpeg_options {
  int subsampling = 2;  ///< TurboJPEG's number; 2 is 4:2:0, 3 is grey
  bool progressive = false;
  unsigned orientation = 1;  ///< in an EXIF segment, where it is not 1
};
[[nodiscard]] bytes jpeg(unsigned width, unsigned height, jpeg_options options = {});

/// A JPEG of another colour space than JPEG's usual one.
[[nodiscard]] bytes cmyk_jpeg(unsigned width, unsigned height);

[[nodiscard]] bytes png(unsigned width, unsigned height);
[[nodiscard]] bytes png(unsigned width, unsigned height, std::span<const std::uint8_t> rgb);

/// A PNG whose left half is opaque red and whose right half is transparent black.
[[nodiscard]] bytes half_transparent_png(unsigned width, unsigned height);

/// A PNG put together by hand: a header for 8-bit grey, then `chunks`, then the end.
struct chunk {
  std::string_view type;
  bytes data;
};
[[nodiscard]] bytes grey_png(std::uint32_t width, std::uint32_t height, std::span<const chunk> chunks);

/// A black PNG of any kind.
struct png_options {
  unsigned depth = 8;
  unsigned colour_type = 2;  ///< the standard's number: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha
  bool interlaced = false;
};
[[nodiscard]] bytes flat_png(std::uint32_t width, std::uint32_t height, png_options options = {});

/// `count` blocks of zeroes, deflated: about a thousandth of their size.
[[nodiscard]] bytes deflated_zeroes(std::size_t block_bytes, std::size_t count = 1);

struct decoded {
  unsigned width = 0;
  unsigned height = 0;
  std::vector<std::uint8_t> rgb;

  [[nodiscard]] std::array<int, 3> at(double x, double y) const;  ///< 0 to 1 in each direction
};
/// Decodes a JPEG independently of the code under test.
[[nodiscard]] decoded decode(std::span<const std::byte> jpeg);

/// 'r', 'g', 'b' or 'w': which of the card's colours this is; '?' for anything else.
[[nodiscard]] char colour_name(std::array<int, 3> colour);

/// The names of the four quarters: "rgbw" for an upright card.
[[nodiscard]] std::string_view quarters(const decoded& picture, std::array<char, 4>& names);

}  // namespace photos
