#include "codecs.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include <fmt/format.h>
#include <spng.h>

#include "row_shrinker.hpp"

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

/// The decoder's allocations. Its codes do not tell want of memory from damage: zlib makes its window while it
/// inflates, and libspng calls it a broken stream when that fails.
class decoder_memory {
 public:
  static decoder_handle new_decoder() {
    failed = false;
    spng_alloc functions{allocate, reallocate, allocate_zeroed, std::free};
    decoder_handle decoder(spng_ctx_new2(&functions, 0));
    if (!decoder) throw std::bad_alloc();
    return decoder;
  }

  /// Throws std::bad_alloc if an allocation failed since new_decoder().
  static void check() {
    if (failed) throw std::bad_alloc();
  }

 private:
  static void* noted(void* memory) noexcept {
    if (!memory) failed = true;
    return memory;
  }
  static void* allocate(std::size_t bytes) { return noted(std::malloc(bytes)); }
  static void* reallocate(void* before, std::size_t bytes) { return noted(std::realloc(before, bytes)); }
  static void* allocate_zeroed(std::size_t count, std::size_t bytes) { return noted(std::calloc(count, bytes)); }

  // The functions are given no context. A decoder is made and used without a park between, so on one thread.
  static thread_local bool failed;
};

thread_local bool decoder_memory::failed = false;

problem damaged(int code) {
  decoder_memory::check();
  return damaged(spng_strerror(code));
}

decoder_handle open_decoder(std::span<const std::byte> photo) {
  auto decoder = decoder_memory::new_decoder();
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
  std::size_t extra_bytes = 0;    ///< what the decoder keeps of texts, profiles and the like, at most
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
    const auto is = [&](std::string_view type) { return std::memcmp(rest.data() + 4, type.data(), 4) == 0; };
    if (is("IDAT")) {
      result.picture_bytes += length;
    } else {
      const bool unpacks = is("zTXt") || is("iTXt") || is("iCCP");
      result.extra_bytes = std::min(max_cached_bytes, result.extra_bytes + (unpacks ? max_cached_bytes : length + 256));
    }
    position += frame_bytes + length;
  }
  return result;
}

/// A row before it is decoded.
std::size_t row_bytes(const spng_ihdr& header) {
  static constexpr unsigned channels_by_type[] = {1, 0, 3, 1, 2, 0, 4};
  const std::size_t row_bits = std::size_t{header.width} * header.bit_depth * channels_by_type[header.color_type];
  return row_bits / 8 + 2;
}

/// Whether the compressed data goes on behind the picture, as a few megabytes that unpack to gigabytes do, by far more
/// than what compresses badly grows. The decoder never unpacks that; others who get the photo might.
bool goes_on_behind(const outline& photo, const spng_ihdr& header) {
  return photo.picture_bytes > 2 * row_bytes(header) * header.height + 65536;
}

orientation read_held(spng_ctx* decoder) {
  spng_exif exif{};
  if (spng_get_exif(decoder, &exif) != 0) return orientation::upright;
  return read_orientation(std::as_bytes(std::span(exif.data, exif.length)));
}

row_shrinker::order order_of(const spng_ihdr& header) {
  return header.interlace_method == SPNG_INTERLACE_NONE ? row_shrinker::order::downwards
                                                        : row_shrinker::order::interlaced;
}

/// Hands each row to `target`. The decoder's error, or 0.
int decode_rows(spng_ctx* decoder, const spng_ihdr& header, unsigned channels, row_shrinker& target) {
  // Which pixels of a row the passes of an interlaced picture bring. The last pass brings whole rows.
  static constexpr unsigned first_in_pass[] = {0, 4, 0, 2, 0, 1, 0};
  static constexpr unsigned step_in_pass[] = {8, 8, 4, 4, 2, 2, 1};
  const bool interlaced = order_of(header) == row_shrinker::order::interlaced;
  const std::size_t bytes = std::size_t{header.width} * channels;
  const auto row = std::make_unique_for_overwrite<std::uint8_t[]>(bytes);
  for (;;) {
    spng_row_info info{};
    if (const int code = spng_get_row_info(decoder, &info)) return code;
    const int code = spng_decode_row(decoder, row.get(), bytes);
    if (code != 0 && code != SPNG_EOI) return code;
    const unsigned first = interlaced ? first_in_pass[info.pass] : 0;
    target.add(row.get(), info.row_num, first, interlaced ? step_in_pass[info.pass] : 1);
    if (code == SPNG_EOI) return 0;
  }
}

}  // namespace

outcome<image_header> read_png_header(std::span<const std::byte> photo) {
  const auto decoder = open_decoder(photo);
  spng_ihdr header{};
  const int code = spng_get_ihdr(decoder.get(), &header);
  // Too large to count: what it says is for the limits to refuse.
  if (code == SPNG_EOVERFLOW) return image_header{image_type::png, {big_endian(photo, 16), big_endian(photo, 20)}, 0};
  if (code != 0) return std::unexpected(damaged(code));
  const dimensions stored{header.width, header.height};
  const dimensions target = fit(stored, thumbnail_sides[0]);
  const std::size_t decoder_bytes = 4 * row_bytes(header) + 16 * std::size_t{header.width} + 65536;
  const std::size_t working_bytes = decoder_bytes + read_outline(photo).extra_bytes +
                                    row_shrinker::bytes_for(stored, order_of(header), target) +
                                    resampling_bytes(row_shrinker::size_for(stored, target), target);
  return image_header{image_type::png, stored, working_bytes};
}

outcome<decoded_photo> decode_png(std::span<const std::byte> photo, unsigned longest) {
  const auto decoder = open_decoder(photo);
  spng_ihdr header{};
  if (const int code = spng_get_ihdr(decoder.get(), &header)) return std::unexpected(damaged(code));

  const auto outline = read_outline(photo);
  if (goes_on_behind(outline, header)) return std::unexpected(damaged("its data goes on behind the picture"));

  const bool alpha = has_alpha(decoder.get(), header);
  const unsigned channels = alpha ? 4 : 3;
  const dimensions stored{header.width, header.height};
  const dimensions target = fit(stored, longest);
  row_shrinker rows(stored, channels, order_of(header), target);
  const int format = alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
  const int flags = SPNG_DECODE_PROGRESSIVE | (alpha ? SPNG_DECODE_TRNS : 0);
  int code = spng_decode_image(decoder.get(), nullptr, 0, format, flags);
  if (code == 0) code = decode_rows(decoder.get(), header, channels, rows);
  if (code == 0) code = spng_decode_chunks(decoder.get());
  if (code == 0 && !outline.has_end) code = SPNG_EOF;
  if (code != 0) return std::unexpected(damaged(code));

  const orientation held = read_held(decoder.get());
  decoder_memory::check();  // extras that could not be kept are no error of the decoder's
  const auto shrunk = rows.finish();
  return decoded_photo{resample_colours(shrunk, rows.covered_width(), rows.covered_height(), target), held};
}

}  // namespace gallery
