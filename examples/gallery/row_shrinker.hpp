#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "picture.hpp"

namespace gallery {

/// Takes a picture's pixels row by row, as a decoder delivers them, and keeps as many as a good thumbnail needs: each
/// sample is the mean of a block of pixels, of whole numbers of pixels in each direction, and twice as many samples
/// are left as the thumbnail will have, or more. So a picture's size hardly counts for the memory that it takes.
class row_shrinker {
 public:
  /// In which order the rows come.
  enum class order {
    downwards,
    interlaced,  ///< in any order, and in pieces: all sums are kept to the end
  };

  /// `channels` is 3, or 4 with straight alpha, behind which there is white.
  row_shrinker(dimensions stored, unsigned channels, order arriving, dimensions thumbnail);

  /// Pixels first, first + step … of row y; `row` begins with the picture's first pixel.
  void add(const std::uint8_t* row, unsigned y, unsigned first = 0, unsigned step = 1);

  /// After all rows: three planes of red, green and blue.
  [[nodiscard]] picture finish();

  /// How much of the planes the picture covers: its last blocks may be cut off.
  [[nodiscard]] double covered_width() const noexcept { return static_cast<double>(stored_.width) / block_.width; }
  [[nodiscard]] double covered_height() const noexcept { return static_cast<double>(stored_.height) / block_.height; }

  /// The memory that a shrinker takes.
  [[nodiscard]] static std::size_t bytes_for(dimensions stored, order arriving, dimensions thumbnail);

  /// The size of its planes.
  [[nodiscard]] static dimensions size_for(dimensions stored, dimensions thumbnail);

 private:
  [[nodiscard]] static dimensions block_for(dimensions stored, dimensions thumbnail);
  [[nodiscard]] bool shrinks() const noexcept { return block_.width > 1 || block_.height > 1; }
  void add_row(const std::uint8_t* row, std::uint32_t* sums) const;
  void emit(unsigned row, const std::uint32_t* sums);

  dimensions stored_;
  dimensions block_;
  dimensions size_;
  unsigned channels_;
  order arriving_;
  picture shrunk_;
  std::vector<std::uint32_t> sums_;  ///< red, green and blue of each sample, of one row of them or of all
};

}  // namespace gallery
