#include "tests/support/photos.hpp"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <spng.h>
#include <turbojpeg.h>
#include <zlib.h>

namespace photos {
namespace {

void require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

const std::byte* as_bytes(const void* memory) { return static_cast<const std::byte*>(memory); }

void append(bytes& target, std::span<const std::byte> more) { target.insert(target.end(), more.begin(), more.end()); }

void append_big_endian(bytes& target, std::uint32_t value, int size) {
  for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) target.push_back(static_cast<std::byte>(value >> shift));
}

/// An EXIF segment that holds nothing but the orientation.
bytes exif_segment(unsigned orientation) {
  bytes tiff;
  append(tiff, std::as_bytes(std::span("MM", 2)));
  append_big_endian(tiff, 42, 2);
  append_big_endian(tiff, 8, 4);       // the directory follows
  append_big_endian(tiff, 1, 2);       // one entry
  append_big_endian(tiff, 0x0112, 2);  // orientation
  append_big_endian(tiff, 3, 2);       // a short
  append_big_endian(tiff, 1, 4);
  append_big_endian(tiff, orientation, 2);
  append_big_endian(tiff, 0, 2);
  append_big_endian(tiff, 0, 4);  // no further directory
  bytes segment{std::byte{0xff}, std::byte{0xe1}};
  append_big_endian(segment, static_cast<std::uint32_t>(2 + 6 + tiff.size()), 2);
  append(segment, std::as_bytes(std::span("Exif\0", 6)));
  append(segment, tiff);
  return segment;
}

bytes compress(const std::uint8_t* samples, unsigned width, unsigned height, int format, int subsampling, int flags) {
  const std::unique_ptr<void, decltype(&tjDestroy)> codec(tjInitCompress(), &tjDestroy);
  unsigned char* encoded = nullptr;
  unsigned long size = 0;
  const int failed = tjCompress2(codec.get(), samples, static_cast<int>(width), 0, static_cast<int>(height), format,
                                 &encoded, &size, subsampling, 90, flags);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owner(encoded, &tjFree);
  require(failed == 0, "tjCompress2");
  return {as_bytes(encoded), as_bytes(encoded) + size};
}

bytes encode_png(const void* samples, std::size_t size, unsigned width, unsigned height, std::uint8_t colour_type) {
  const std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)> encoder(spng_ctx_new(SPNG_CTX_ENCODER), &spng_ctx_free);
  spng_set_option(encoder.get(), SPNG_ENCODE_TO_BUFFER, 1);
  spng_set_option(encoder.get(), SPNG_IMG_COMPRESSION_LEVEL, 1);
  spng_ihdr header{.width = width,
                   .height = height,
                   .bit_depth = 8,
                   .color_type = colour_type,
                   .compression_method = 0,
                   .filter_method = 0,
                   .interlace_method = 0};
  spng_set_ihdr(encoder.get(), &header);
  require(spng_encode_image(encoder.get(), samples, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) == 0,
          "spng_encode_image");
  int error = 0;
  std::size_t encoded_size = 0;
  const std::unique_ptr<void, decltype(&std::free)> encoded(spng_get_png_buffer(encoder.get(), &encoded_size, &error),
                                                            &std::free);
  require(encoded != nullptr, "spng_get_png_buffer");
  return {as_bytes(encoded.get()), as_bytes(encoded.get()) + encoded_size};
}

void append_chunk(bytes& target, std::string_view type, std::span<const std::byte> data) {
  append_big_endian(target, static_cast<std::uint32_t>(data.size()), 4);
  const std::size_t start = target.size();
  append(target, std::as_bytes(std::span(type)));
  append(target, data);
  const auto* checked = reinterpret_cast<const Bytef*>(target.data() + start);
  append_big_endian(target, static_cast<std::uint32_t>(crc32(0, checked, static_cast<uInt>(target.size() - start))), 4);
}

}  // namespace

std::vector<std::uint8_t> card(unsigned width, unsigned height) {
  static constexpr std::uint8_t colours[4][3] = {{220, 30, 30}, {30, 200, 30}, {30, 30, 220}, {240, 240, 240}};
  std::vector<std::uint8_t> samples;
  samples.reserve(std::size_t{width} * height * 3);
  for (unsigned y = 0; y < height; ++y) {
    for (unsigned x = 0; x < width; ++x) {
      const auto& colour = colours[(y * 2 >= height ? 2 : 0) + (x * 2 >= width ? 1 : 0)];
      samples.insert(samples.end(), colour, colour + 3);
    }
  }
  return samples;
}

bytes jpeg(unsigned width, unsigned height, jpeg_options options) {
  bytes result = compress(card(width, height).data(), width, height, TJPF_RGB, options.subsampling,
                          options.progressive ? TJFLAG_PROGRESSIVE : 0);
  if (options.orientation != 1) {
    const bytes segment = exif_segment(options.orientation);
    result.insert(result.begin() + 2, segment.begin(), segment.end());
  }
  return result;
}

bytes cmyk_jpeg(unsigned width, unsigned height) {
  const std::vector<std::uint8_t> samples(std::size_t{width} * height * 4, 100);
  return compress(samples.data(), width, height, TJPF_CMYK, TJSAMP_444, 0);
}

bytes png(unsigned width, unsigned height) { return png(width, height, card(width, height)); }

bytes png(unsigned width, unsigned height, std::span<const std::uint8_t> rgb) {
  return encode_png(rgb.data(), rgb.size(), width, height, SPNG_COLOR_TYPE_TRUECOLOR);
}

bytes half_transparent_png(unsigned width, unsigned height) {
  std::vector<std::uint8_t> samples(std::size_t{width} * height * 4, 0);
  for (unsigned y = 0; y < height; ++y) {
    for (unsigned x = 0; x < width / 2; ++x) {
      std::uint8_t* pixel = samples.data() + (std::size_t{y} * width + x) * 4;
      pixel[0] = 220, pixel[1] = 30, pixel[2] = 30, pixel[3] = 255;
    }
  }
  return encode_png(samples.data(), samples.size(), width, height, SPNG_COLOR_TYPE_TRUECOLOR_ALPHA);
}

bytes grey_png(std::uint32_t width, std::uint32_t height, std::span<const chunk> chunks) {
  static constexpr std::uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  bytes result;
  append(result, std::as_bytes(std::span(signature)));
  bytes header;
  append_big_endian(header, width, 4);
  append_big_endian(header, height, 4);
  append_big_endian(header, 0x08000000, 4);  // 8 bits, grey, the only methods
  header.push_back(std::byte{0});            // not interlaced
  append_chunk(result, "IHDR", header);
  for (const chunk& each : chunks) append_chunk(result, each.type, each.data);
  append_chunk(result, "IEND", {});
  return result;
}

bytes flat_png(std::uint32_t width, std::uint32_t height, png_options options) {
  static constexpr std::uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  static constexpr unsigned channels_by_type[] = {1, 0, 3, 1, 2, 0, 4};
  static constexpr struct {
    unsigned left, top, across, down;
  } passes[] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
  const auto rows_bytes = [&](std::size_t columns, std::size_t rows) {
    const std::size_t bits = columns * options.depth * channels_by_type[options.colour_type];
    return columns == 0 ? 0 : rows * (1 + (bits + 7) / 8);
  };
  std::size_t unpacked = options.interlaced ? 0 : rows_bytes(width, height);
  for (const auto& pass : passes) {
    if (!options.interlaced || width <= pass.left || height <= pass.top) continue;
    unpacked += rows_bytes((width - pass.left + pass.across - 1) / pass.across,
                           (height - pass.top + pass.down - 1) / pass.down);
  }
  bytes result;
  append(result, std::as_bytes(std::span(signature)));
  bytes header;
  append_big_endian(header, width, 4);
  append_big_endian(header, height, 4);
  append_big_endian(header, options.depth << 24 | options.colour_type << 16, 4);
  header.push_back(std::byte{options.interlaced});
  append_chunk(result, "IHDR", header);
  if (options.colour_type == 3) append_chunk(result, "PLTE", bytes(3));
  append_chunk(result, "IDAT", deflated_zeroes(unpacked));
  append_chunk(result, "IEND", {});
  return result;
}

bytes deflated_zeroes(std::size_t block_bytes, std::size_t count) {
  // After a full flush nothing refers back, so that one deflated block can be repeated.
  const std::vector<Bytef> zeroes(block_bytes, 0);
  std::vector<Bytef> out(block_bytes / 100 + 1024);
  z_stream stream{};
  require(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK, "deflateInit2");
  const std::unique_ptr<z_stream, decltype(&deflateEnd)> owner(&stream, &deflateEnd);
  stream.next_in = const_cast<Bytef*>(zeroes.data());
  stream.avail_in = static_cast<uInt>(zeroes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  require(deflate(&stream, Z_FULL_FLUSH) == Z_OK && stream.avail_out > 0, "deflate");
  const auto block = std::as_bytes(std::span(out).first(out.size() - stream.avail_out));

  bytes result{std::byte{0x78}, std::byte{0xda}};
  uLong checksum = adler32(0, nullptr, 0);
  const uLong block_checksum = adler32(checksum, zeroes.data(), static_cast<uInt>(zeroes.size()));
  for (std::size_t index = 0; index < count; ++index) {
    append(result, block);
    checksum = adler32_combine(checksum, block_checksum, static_cast<z_off_t>(block_bytes));
  }
  append_big_endian(result, 0x0300, 2);  // the last block, empty
  append_big_endian(result, static_cast<std::uint32_t>(checksum), 4);
  return result;
}

decoded decode(std::span<const std::byte> jpeg) {
  const std::unique_ptr<void, decltype(&tjDestroy)> codec(tjInitDecompress(), &tjDestroy);
  const auto* data = reinterpret_cast<const unsigned char*>(jpeg.data());
  int width = 0, height = 0, subsampling = 0, colours = 0;
  require(tjDecompressHeader3(codec.get(), data, jpeg.size(), &width, &height, &subsampling, &colours) == 0, "header");
  decoded result{static_cast<unsigned>(width), static_cast<unsigned>(height), {}};
  result.rgb.resize(std::size_t{result.width} * result.height * 3);
  require(tjDecompress2(codec.get(), data, jpeg.size(), result.rgb.data(), width, 0, height, TJPF_RGB,
                        TJFLAG_STOPONWARNING) == 0,
          "decode");
  return result;
}

std::array<int, 3> decoded::at(double x, double y) const {
  const auto column = static_cast<std::size_t>(x * width);
  const auto row = static_cast<std::size_t>(y * height);
  const std::uint8_t* pixel = rgb.data() + (row * width + column) * 3;
  return {pixel[0], pixel[1], pixel[2]};
}

char colour_name(std::array<int, 3> colour) {
  const auto [red, green, blue] = colour;
  if (red > 200 && green > 200 && blue > 200) return 'w';
  if (red > 150 && green < 90 && blue < 90) return 'r';
  if (green > 150 && red < 90 && blue < 90) return 'g';
  if (blue > 150 && red < 90 && green < 90) return 'b';
  return '?';
}

std::string_view quarters(const decoded& picture, std::array<char, 4>& names) {
  names = {colour_name(picture.at(0.25, 0.25)), colour_name(picture.at(0.75, 0.25)),
           colour_name(picture.at(0.25, 0.75)), colour_name(picture.at(0.75, 0.75))};
  return {names.data(), names.size()};
}

}  // namespace photos
