#include "row_shrinker.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gallery {
namespace {

constexpr unsigned colours = 3;

std::uint8_t on_white(unsigned sample, unsigned alpha) {
  return static_cast<std::uint8_t>(sample * alpha / 255 + 255 - alpha);
}

std::array<std::uint8_t, colours> colour_of(const std::uint8_t* pixel, unsigned channels) {
  if (channels == colours) return {pixel[0], pixel[1], pixel[2]};
  return {on_white(pixel[0], pixel[3]), on_white(pixel[1], pixel[3]), on_white(pixel[2], pixel[3])};
}

}  // namespace

dimensions row_shrinker::block_for(dimensions stored, dimensions thumbnail) {
  return {std::max(1u, stored.width / (2 * thumbnail.width)), std::max(1u, stored.height / (2 * thumbnail.height))};
}

dimensions row_shrinker::size_for(dimensions stored, dimensions thumbnail) {
  const auto block = block_for(stored, thumbnail);
  return {(stored.width + block.width - 1) / block.width, (stored.height + block.height - 1) / block.height};
}

std::size_t row_shrinker::bytes_for(dimensions stored, order arriving, dimensions thumbnail) {
  const auto size = size_for(stored, thumbnail);
  const std::size_t planes = colours * plane::bytes_for(size.width, size.height);
  if (size == stored) return planes;
  return planes + sizeof(std::uint32_t) * colours * size.width * (arriving == order::interlaced ? size.height : 1);
}

row_shrinker::row_shrinker(dimensions stored, unsigned channels, order arriving, dimensions thumbnail)
    : stored_(stored),
      block_(block_for(stored, thumbnail)),
      size_(size_for(stored, thumbnail)),
      channels_(channels),
      arriving_(arriving) {
  shrunk_.width = size_.width;
  shrunk_.height = size_.height;
  shrunk_.planes.reserve(colours);
  for (unsigned colour = 0; colour < colours; ++colour) shrunk_.planes.emplace_back(size_.width, size_.height);
  if (shrinks()) sums_.resize(std::size_t{colours} * size_.width * (arriving == order::interlaced ? size_.height : 1));
}

void row_shrinker::add(const std::uint8_t* row, unsigned y, unsigned first, unsigned step) {
  if (!shrinks()) {
    for (unsigned x = first; x < stored_.width; x += step) {
      const auto colour = colour_of(row + std::size_t{x} * channels_, channels_);
      for (unsigned index = 0; index < colours; ++index) shrunk_.planes[index].row(y)[x] = colour[index];
    }
    return;
  }
  const unsigned shrunk_row = y / block_.height;
  std::uint32_t* sums = sums_.data();
  if (arriving_ == order::interlaced) sums += std::size_t{colours} * size_.width * shrunk_row;
  if (step == 1 && first == 0) {
    add_row(row, sums);
  } else {
    for (unsigned x = first; x < stored_.width; x += step) {
      const auto colour = colour_of(row + std::size_t{x} * channels_, channels_);
      std::uint32_t* sum = sums + std::size_t{colours} * (x / block_.width);
      for (unsigned index = 0; index < colours; ++index) sum[index] += colour[index];
    }
  }
  if (arriving_ == order::interlaced) return;
  if ((y + 1) % block_.height != 0 && y + 1 != stored_.height) return;
  emit(shrunk_row, sums);
  std::ranges::fill(sums_, 0u);
}

void row_shrinker::add_row(const std::uint8_t* row, std::uint32_t* sums) const {
  for (unsigned x = 0; x < stored_.width; sums += colours) {
    std::array<std::uint32_t, colours> sum{};
    for (const unsigned end = std::min(x + block_.width, stored_.width); x < end; ++x, row += channels_) {
      const auto colour = colour_of(row, channels_);
      for (unsigned index = 0; index < colours; ++index) sum[index] += colour[index];
    }
    for (unsigned index = 0; index < colours; ++index) sums[index] += sum[index];
  }
}

void row_shrinker::emit(unsigned row, const std::uint32_t* sums) {
  const unsigned rows = std::min(block_.height, stored_.height - row * block_.height);
  for (unsigned x = 0; x < size_.width; ++x) {
    const unsigned columns = std::min(block_.width, stored_.width - x * block_.width);
    const unsigned pixels = rows * columns;
    for (unsigned colour = 0; colour < colours; ++colour) {
      const std::uint32_t sum = sums[std::size_t{colours} * x + colour];
      shrunk_.planes[colour].row(row)[x] = static_cast<std::uint8_t>((sum + pixels / 2) / pixels);
    }
  }
}

picture row_shrinker::finish() {
  if (shrinks() && arriving_ == order::interlaced) {
    for (unsigned row = 0; row < size_.height; ++row) {
      emit(row, sums_.data() + std::size_t{colours} * size_.width * row);
    }
  }
  sums_ = {};
  return std::move(shrunk_);
}

}  // namespace gallery
