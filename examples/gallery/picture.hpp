#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "exif.hpp"

namespace gallery {

struct dimensions {
  unsigned width = 0;
  unsigned height = 0;
  bool operator==(const dimensions&) const = default;
};

/// One channel of a picture: rows of 8-bit samples, each row beginning on a 64-byte boundary, which is what vector
/// instructions of every width want. Behind the last row there is room for one more: JPEG wants even sizes.
class plane {
 public:
  static constexpr std::size_t alignment = 64;

  plane(unsigned width, unsigned height)
      : width_(width),
        height_(height),
        stride_((width + alignment - 1) / alignment * alignment),
        samples_(static_cast<std::uint8_t*>(::operator new(bytes_for(width, height), std::align_val_t{alignment}))) {}

  [[nodiscard]] static std::size_t bytes_for(unsigned width, unsigned height) noexcept {
    return (width + alignment - 1) / alignment * alignment * (std::size_t{height} + 1);
  }

  [[nodiscard]] unsigned width() const noexcept { return width_; }
  [[nodiscard]] unsigned height() const noexcept { return height_; }
  [[nodiscard]] std::size_t stride() const noexcept { return stride_; }
  [[nodiscard]] std::uint8_t* row(unsigned y) noexcept { return samples_.get() + std::size_t{y} * stride_; }
  [[nodiscard]] const std::uint8_t* row(unsigned y) const noexcept { return samples_.get() + std::size_t{y} * stride_; }

 private:
  struct release {
    void operator()(std::uint8_t* samples) const noexcept { ::operator delete(samples, std::align_val_t{alignment}); }
  };

  unsigned width_;
  unsigned height_;
  std::size_t stride_;
  std::unique_ptr<std::uint8_t[], release> samples_;
};

/// What JPEG stores: luma alone, or luma and two chroma planes (full range, ITU-R BT.601) that may be smaller.
struct picture {
  unsigned width = 0;
  unsigned height = 0;
  unsigned chroma_divisor_x = 1;  ///< luma samples per chroma sample in a row: 1, 2 or 4
  unsigned chroma_divisor_y = 1;
  std::vector<plane> planes = {};  ///< one or three
};

/// The size that fits `longest` with the aspect ratio kept; never larger than the original, never below one pixel.
[[nodiscard]] dimensions fit(dimensions original, unsigned longest) noexcept;

/// Resamples to `target`. Chroma becomes half as wide and high, or stays whole where the source's is whole.
[[nodiscard]] picture resample(const picture& source, dimensions target);

/// The same from planes of red, green and blue, of which the picture covers that much, to luma and whole chroma.
[[nodiscard]] picture resample_colours(const picture& source, double covered_width, double covered_height,
                                       dimensions target);

/// The memory, at most, that resampling takes besides the pictures.
[[nodiscard]] std::size_t resampling_bytes(dimensions source, dimensions target) noexcept;

/// Makes a picture upright.
[[nodiscard]] picture make_upright(picture source, orientation held);

}  // namespace gallery
