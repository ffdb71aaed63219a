#include "image.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "codecs.hpp"

namespace gallery {
namespace {

constexpr std::array jpeg_magic{std::byte{0xff}, std::byte{0xd8}, std::byte{0xff}};
constexpr std::array png_magic{std::byte{0x89}, std::byte{'P'},  std::byte{'N'},  std::byte{'G'},
                               std::byte{'\r'}, std::byte{'\n'}, std::byte{0x1a}, std::byte{'\n'}};

bool starts_with(std::span<const std::byte> bytes, std::span<const std::byte> magic) {
  return bytes.size() >= magic.size() && std::ranges::equal(bytes.first(magic.size()), magic);
}

std::optional<image_type> type_by_content(std::span<const std::byte> photo) {
  if (starts_with(photo, jpeg_magic)) return image_type::jpeg;
  if (starts_with(photo, png_magic)) return image_type::png;
  return std::nullopt;
}

outcome<void> check_limits(dimensions size) {
  const std::size_t pixels = std::size_t{size.width} * size.height;
  if (pixels <= max_photo_pixels && size.width <= max_photo_side && size.height <= max_photo_side) return {};
  return std::unexpected(
      problem{413, "too_many_pixels",
              fmt::format("the photo has {} x {} pixels; at most {} megapixels and {} pixels a side are accepted: "
                          "send a smaller one",
                          size.width, size.height, max_photo_pixels / 1'000'000, max_photo_side)});
}

/// What the thumbnails take at most: pixels, turned pixels and JPEG, all at once.
std::size_t thumbnails_bytes(dimensions stored) {
  std::size_t bytes = 0;
  for (const unsigned side : thumbnail_sides) {
    const auto size = fit(stored, side);
    const auto plane_bytes = plane::bytes_for(std::max(size.width, size.height), std::max(size.width, size.height));
    bytes += 4 * 3 *
             std::min(plane_bytes,
                      2 * plane::bytes_for(size.width, size.height) + 2 * plane::bytes_for(size.height, size.width));
  }
  return bytes;
}

}  // namespace

std::string_view name(image_type type) noexcept { return type == image_type::jpeg ? "jpeg" : "png"; }

std::string_view media_type(image_type type) noexcept { return type == image_type::jpeg ? "image/jpeg" : "image/png"; }

void one_after_another(std::size_t count, const std::function<void(std::size_t)>& body) {
  for (std::size_t index = 0; index < count; ++index) body(index);
}

outcome<image_header> inspect(std::span<const std::byte> photo) {
  if (photo.empty()) {
    return std::unexpected(problem{400, "empty_body", "the request has no body: send the photo's bytes as the body"});
  }
  if (photo.size() > max_photo_bytes) {
    return std::unexpected(
        problem{413, "too_many_bytes",
                fmt::format("the photo is larger than {} MB: send a smaller one", max_photo_bytes / 1'000'000)});
  }
  const auto type = type_by_content(photo);
  if (!type) {
    return std::unexpected(
        problem{415, "not_a_photo", "the body is neither a JPEG nor a PNG: send one of these, unwrapped"});
  }
  auto header = *type == image_type::jpeg ? read_jpeg_header(photo) : read_png_header(photo);
  if (!header) return header;
  if (auto within = check_limits(header->stored); !within) return std::unexpected(std::move(within.error()));
  header->working_bytes += thumbnails_bytes(header->stored);
  return header;
}

outcome<rendition> render(std::span<const std::byte> photo, const parallel_for& run) {
  const auto header = inspect(photo);
  if (!header) return std::unexpected(header.error());

  const unsigned largest = thumbnail_sides[0];
  auto decoded = header->type == image_type::jpeg ? decode_jpeg(photo, largest) : decode_png(photo, largest);
  if (!decoded) return std::unexpected(std::move(decoded.error()));

  const orientation held = decoded->held;
  rendition result;
  result.upright = header->stored;
  if (swaps_sides(held)) std::swap(result.upright.width, result.upright.height);

  // The small thumbnail is made from the large one, which is nearly free; then both are encoded at once.
  std::vector<picture> pictures;
  for (const unsigned side : thumbnail_sides) {
    const picture& source = pictures.empty() ? decoded->pixels : pictures.back();
    pictures.push_back(resample(source, fit(header->stored, side)));
  }
  result.thumbnails.resize(pictures.size());
  run(pictures.size(), [&](std::size_t index) {
    picture upright = make_upright(std::move(pictures[index]), held);
    const dimensions size{upright.width, upright.height};
    result.thumbnails[index] = {thumbnail_sides[index], size, encode_jpeg(std::move(upright))};
  });
  return result;
}

}  // namespace gallery
