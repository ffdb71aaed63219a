#include "codecs.hpp"

#include <algorithm>
#include <cstdint>
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

problem damaged(int code) {
  return {422, "damaged_photo",
          fmt::format("the PNG is damaged or incomplete ({}): check that it opens elsewhere and send it whole",
                      spng_strerror(code))};
}

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

/// The decoder stops as soon as it knows that the last chunk has begun.
bool is_cut_in_last_chunk(std::span<const std::byte> photo) {
  static constexpr unsigned char last_chunk[] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
  return std::ranges::search(photo, std::as_bytes(std::span(last_chunk))).empty();
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
  if (const int code = spng_get_ihdr(decoder.get(), &header)) return std::unexpected(damaged(code));
  const std::size_t pixels = std::size_t{header.width} * header.height;
  return image_header{image_type::png, {header.width, header.height}, pixels * 4 + max_cached_bytes};
}

outcome<decoded_photo> decode_png(std::span<const std::byte> photo, unsigned longest) {
  const auto decoder = open_decoder(photo);
  spng_ihdr header{};
  if (const int code = spng_get_ihdr(decoder.get(), &header)) return std::unexpected(damaged(code));

  const bool alpha = has_alpha(decoder.get(), header);
  const unsigned channels = alpha ? 4 : 3;
  const std::size_t bytes = std::size_t{header.width} * header.height * channels;
  const auto samples = std::make_unique_for_overwrite<std::uint8_t[]>(bytes);
  const int format = alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
  int code = spng_decode_image(decoder.get(), samples.get(), bytes, format, alpha ? SPNG_DECODE_TRNS : 0);
  if (code == 0) code = spng_decode_chunks(decoder.get());
  if (code == 0 && is_cut_in_last_chunk(photo)) code = SPNG_EOF;
  if (code != 0) return std::unexpected(damaged(code));

  const dimensions stored{header.width, header.height};
  return decoded_photo{
      resample(interleaved{header.width, header.height, channels, samples.get()}, fit(stored, longest)),
      read_held(decoder.get())};
}

}  // namespace gallery
