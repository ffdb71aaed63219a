#include "codecs.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include <fmt/format.h>
#include <spng.h>

namespace gallery {
namespace {

/// What text, colour profiles and other extras may unpack to, each and together. Without a limit, a few kilobytes
/// unpack to gigabytes.
constexpr std::size_t max_chunk_bytes = 8 << 20;
constexpr std::size_t max_cached_bytes = 16 << 20;

struct decoder_release {
  void operator()(spng_ctx* decoder) const noexcept { spng_ctx_free(decoder); }
};
using decoder_handle = std::unique_ptr<spng_ctx, decoder_release>;

problem damaged(std::string_view detail) {
  return {
      422, "damaged_photo",
      fmt::format("the PNG is damaged or incomplete ({}): check that it opens elsewhere and send it whole", detail)};
}

problem damaged(int code) { return damaged(spng_strerror(code)); }

decoder_handle open_decoder(std::span<const std::byte> photo) {
  decoder_handle decoder(spng_ctx_new(0));
  if (!decoder) throw std::bad_alloc();
  spng_set_crc_action(decoder.get(), SPNG_CRC_ERROR, SPNG_CRC_ERROR);
  spng_set_chunk_limits(decoder.get(), max_chunk_bytes, max_cached_bytes);
  spng_set_png_buffer(decoder.get(), photo.data(), photo.size());
  return decoder;
}

bool has_alpha(spng_ctx* decoder, const spng_ihdr& header) {
  if (header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA) return true;
  if (header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA) return true;
  spng_trns transparency{};
  return spng_get_trns(decoder, &transparency) == 0;
}

std::uint32_t big_endian(std::span<const std::byte> photo, std::size_t position) {
  std::uint32_t value = 0;
  for (const std::byte each : photo.subspan(position, 4)) value = value << 8 | std::to_integer<std::uint32_t>(each);
  return value;
}

/// What the decoder does not look at: it stops when it has the picture, and knows that the last chunk has begun.
struct outline {
  std::size_t picture_bytes = 0;  ///< compressed
  bool has_end = false;           ///< the last chunk, whole
};

outline read_outline(std::span<const std::byte> photo) {
  static constexpr std::size_t frame_bytes = 12;  // length, type and checksum
  static constexpr unsigned char end[] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
  outline result;
  std::size_t position = 8;
  while (position <= photo.size() && photo.size() - position >= frame_bytes) {
    const auto rest = photo.subspan(position);
    result.has_end = std::ranges::equal(rest.first(frame_bytes), std::as_bytes(std::span(end)));
    const std::size_t length = big_endian(rest, 0);
    if (result.has_end || rest.size() - frame_bytes < length) break;
    if (std::memcmp(rest.data() + 4, "IDAT", 4) == 0) result.picture_bytes += length;
    position += frame_bytes + length;
  }
  return result;
}

/// Whether the compressed data goes on behind the picture, as a few megabytes that unpack to gigabytes do, by far more
/// than what compresses badly grows. The decoder never unpacks that; others who get the photo might.
bool goes_on_behind(const outline& photo, const spng_ihdr& header) {
  static constexpr unsigned channels_by_type[] = {1, 0, 3, 1, 2, 0, 4};
  const std::size_t row_bits = std::size_t{header.width} * header.bit_depth * channels_by_type[header.color_type];
  const std::size_t unpacked = (row_bits / 8 + 2) * header.height;
  return photo.picture_bytes > 2 * unpacked + 65536;
}

orientation read_held(spng_ctx* decoder) {
  spng_exif exif{};
  if (spng_get_exif(decoder, &exif) != 0) return orientation::upright;
  return read_orientation(std::as_bytes(std::span(exif.data, exif.length)));
}

}  // namespace

outcome<image_header> read_png_header(std::span<const std::byte> photo) {
  const auto decoder = open_decoder(photo);
  spng_ihdr header{};
  const int code = spng_get_ihdr(decoder.get(), &header);
  // Too large to count: what it says is for the limits to refuse.
  if (code == SPNG_EOVERFLOW) return image_header{image_type::png, {big_endian(photo, 16), big_endian(photo, 20)}, 0};
  if (code != 0) return std::unexpected(damaged(code));
  const std::size_t pixels = std::size_t{header.width} * header.height;
  return image_header{image_type::png, {header.width, header.height}, pixels * 4 + max_cached_bytes};
}

outcome<decoded_photo> decode_png(std::span<const std::byte> photo, unsigned longest) {
  const auto decoder = open_decoder(photo);
  spng_ihdr header{};
  if (const int code = spng_get_ihdr(decoder.get(), &header)) return std::unexpected(damaged(code));

  const auto outline = read_outline(photo);
  if (goes_on_behind(outline, header)) return std::unexpected(damaged("its data goes on behind the picture"));

  const bool alpha = has_alpha(decoder.get(), header);
  const unsigned channels = alpha ? 4 : 3;
  const std::size_t bytes = std::size_t{header.width} * header.height * channels;
  const auto samples = std::make_unique_for_overwrite<std::uint8_t[]>(bytes);
  const int format = alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
  int code = spng_decode_image(decoder.get(), samples.get(), bytes, format, alpha ? SPNG_DECODE_TRNS : 0);
  if (code == 0) code = spng_decode_chunks(decoder.get());
  if (code == 0 && !outline.has_end) code = SPNG_EOF;
  if (code != 0) return std::unexpected(damaged(code));

  const dimensions stored{header.width, header.height};
  return decoded_photo{
      resample(interleaved{header.width, header.height, channels, samples.get()}, fit(stored, longest)),
      read_held(decoder.get())};
}

}  // namespace gallery
