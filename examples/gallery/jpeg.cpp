#include "codecs.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <turbojpeg.h>

#include "row_shrinker.hpp"

namespace gallery {
namespace {

constexpr int thumbnail_quality = 85;

/// Encoders make about ten scans. Hundreds of scans over an empty picture are an attack: each costs a pass over all of
/// its blocks.
constexpr unsigned max_scans = 64;

struct codec_release {
  void operator()(void* codec) const noexcept { tjDestroy(codec); }
};
using codec_handle = std::unique_ptr<void, codec_release>;

codec_handle expect_codec(tjhandle created) {
  if (!created) throw std::bad_alloc();
  return codec_handle(created);
}

const unsigned char* octets(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

problem damaged(std::string_view detail) {
  return {
      422, "damaged_photo",
      fmt::format("the JPEG is damaged or incomplete ({}): check that it opens elsewhere and send it whole", detail)};
}

/// What the decoder says of its last failure.
problem damaged_for(tjhandle codec) {
  const std::string_view why = tjGetErrorStr2(codec);
  // libjpeg's words and TurboJPEG's: there is no code for it.
  if (why.contains("nsufficient memory") || why.contains("emory allocation failure")) throw std::bad_alloc();
  return damaged(why);
}

problem unsupported(std::string_view detail) {
  return {415, "unsupported_photo", fmt::format("the JPEG {}: save it as an ordinary RGB JPEG", detail)};
}

/// What the decoder's interface does not tell.
struct outline {
  orientation held = orientation::upright;
  unsigned scans = 0;
  bool progressive = false;
};

/// Walks over a JPEG's segments. Stops where they stop making sense; what that means is the decoder's to say.
class outline_reader {
 public:
  explicit outline_reader(std::span<const std::byte> photo) : photo_(photo) {}

  outline read() {
    outline result;
    position_ = 2;  // behind the start marker
    while (const unsigned marker = next_marker()) {
      if (marker == end_of_image) break;
      const auto segment = next_segment();
      if (!segment.data()) break;
      if (marker == exif_segment && result.held == orientation::upright) result.held = held_in(segment);
      if (marker == progressive_frame || marker == progressive_arithmetic_frame) result.progressive = true;
      if (marker == start_of_scan) {
        ++result.scans;
        skip_entropy_coded();
      }
    }
    return result;
  }

 private:
  static constexpr unsigned end_of_image = 0xd9;
  static constexpr unsigned start_of_scan = 0xda;
  static constexpr unsigned exif_segment = 0xe1;
  static constexpr unsigned progressive_frame = 0xc2;
  static constexpr unsigned progressive_arithmetic_frame = 0xca;

  [[nodiscard]] unsigned at(std::size_t position) const { return std::to_integer<unsigned>(photo_[position]); }

  /// The marker at the position, which moves behind it; 0 if there is none.
  unsigned next_marker() {
    if (position_ >= photo_.size() || at(position_) != 0xff) return 0;
    while (position_ < photo_.size() && at(position_) == 0xff) ++position_;  // any number of fill bytes
    return position_ < photo_.size() ? at(position_++) : 0;
  }

  /// The contents of the segment at the position, which moves behind it; null data if it is cut off.
  std::span<const std::byte> next_segment() {
    if (photo_.size() - position_ < 2) return {};
    const std::size_t length = at(position_) << 8 | at(position_ + 1);
    if (length < 2 || photo_.size() - position_ < length) return {};
    const auto contents = photo_.subspan(position_ + 2, length - 2);
    position_ += length;
    return contents;
  }

  /// Moves to the next 0xff that is a marker: not a stuffed zero, a fill byte or a restart.
  void skip_entropy_coded() {
    while (position_ + 1 < photo_.size()) {
      const void* found = std::memchr(photo_.data() + position_, 0xff, photo_.size() - 1 - position_);
      if (!found) break;
      position_ = static_cast<std::size_t>(static_cast<const std::byte*>(found) - photo_.data());
      const unsigned next = at(position_ + 1);
      if (next != 0 && next != 0xff && (next & 0xf8) != 0xd0) return;
      position_ += next == 0xff ? 1 : 2;
    }
    position_ = photo_.size();
  }

  static orientation held_in(std::span<const std::byte> segment) {
    static constexpr std::string_view signature("Exif\0\0", 6);
    if (segment.size() < signature.size()) return orientation::upright;
    if (std::memcmp(segment.data(), signature.data(), signature.size()) != 0) return orientation::upright;
    return read_orientation(segment.subspan(signature.size()));
  }

  std::span<const std::byte> photo_;
  std::size_t position_ = 0;
};

struct jpeg_header {
  dimensions size;
  int subsampling = 0;
  int colour_space = 0;
};

outcome<jpeg_header> read_header(tjhandle codec, std::span<const std::byte> photo) {
  int width = 0;
  int height = 0;
  jpeg_header result;
  if (tjDecompressHeader3(codec, octets(photo), photo.size(), &width, &height, &result.subsampling,
                          &result.colour_space) != 0) {
    return std::unexpected(damaged_for(codec));
  }
  if (result.colour_space == TJCS_CMYK || result.colour_space == TJCS_YCCK) {
    return std::unexpected(unsupported("is in CMYK, the colours of printing"));
  }
  if (width < 1 || height < 1) return std::unexpected(damaged("it holds tables and no picture"));
  result.size = {static_cast<unsigned>(width), static_cast<unsigned>(height)};
  return result;
}

/// The smallest of the sizes that the decoder delivers cheaply that is at least `longest`.
dimensions decoded_size(dimensions stored, unsigned longest) {
  for (const int divisor : {8, 4, 2}) {
    const tjscalingfactor factor{1, divisor};
    const dimensions scaled{static_cast<unsigned>(TJSCALED(static_cast<int>(stored.width), factor)),
                            static_cast<unsigned>(TJSCALED(static_cast<int>(stored.height), factor))};
    if (std::max(scaled.width, scaled.height) >= longest) return scaled;
  }
  return stored;
}

constexpr int decode_flags = TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;

outcome<picture> decode_planes(tjhandle codec, std::span<const std::byte> photo, const jpeg_header& header,
                               dimensions size) {
  picture result{.width = size.width, .height = size.height};
  result.chroma_divisor_x = static_cast<unsigned>(tjMCUWidth[header.subsampling] / 8);
  result.chroma_divisor_y = static_cast<unsigned>(tjMCUHeight[header.subsampling] / 8);
  std::array<unsigned char*, 3> rows{};
  std::array<int, 3> strides{};
  const int count = header.subsampling == TJSAMP_GRAY ? 1 : 3;
  for (int component = 0; component < count; ++component) {
    const auto index = static_cast<std::size_t>(component);
    plane& added = result.planes.emplace_back(
        static_cast<unsigned>(tjPlaneWidth(component, static_cast<int>(size.width), header.subsampling)),
        static_cast<unsigned>(tjPlaneHeight(component, static_cast<int>(size.height), header.subsampling)));
    rows[index] = added.row(0);
    strides[index] = static_cast<int>(added.stride());
  }
  if (tjDecompressToYUVPlanes(codec, octets(photo), photo.size(), rows.data(), static_cast<int>(size.width),
                              strides.data(), static_cast<int>(size.height), decode_flags) != 0) {
    return std::unexpected(damaged_for(codec));
  }
  return result;
}

/// The rare JPEG that stores red, green and blue.
outcome<picture> decode_rgb(tjhandle codec, std::span<const std::byte> photo, dimensions size) {
  const auto samples = std::make_unique_for_overwrite<std::uint8_t[]>(std::size_t{size.width} * size.height * 3);
  if (tjDecompress2(codec, octets(photo), photo.size(), samples.get(), static_cast<int>(size.width), 0,
                    static_cast<int>(size.height), TJPF_RGB, decode_flags) != 0) {
    return std::unexpected(damaged_for(codec));
  }
  row_shrinker rows(size, 3, row_shrinker::order::downwards, size);
  for (unsigned y = 0; y < size.height; ++y) rows.add(samples.get() + std::size_t{y} * size.width * 3, y);
  return resample_colours(rows.finish(), size.width, size.height, size);
}

/// What libjpeg and we need at most for a photo, from its coefficients to its thumbnail's pixels.
std::size_t bytes_for(const jpeg_header& header, bool keeps_coefficients) {
  const auto block_width = static_cast<std::size_t>(tjMCUWidth[header.subsampling]);
  const auto block_height = static_cast<std::size_t>(tjMCUHeight[header.subsampling]);
  const std::size_t width = (header.size.width + block_width - 1) / block_width * block_width;
  const std::size_t height = (header.size.height + block_height - 1) / block_height * block_height;
  // Components of fewer samples than luma have two where luma has as many as a block.
  const std::size_t chroma_share = block_width * block_height / 64;
  const std::size_t samples =
      width * height + (header.subsampling == TJSAMP_GRAY ? 0 : 2 * (width * height) / chroma_share);
  const std::size_t coefficients = keeps_coefficients ? 2 * samples : 0;
  const std::size_t rows = width * block_height * 6;  // on their way through the decoder

  const dimensions decoded = decoded_size(header.size, thumbnail_sides[0]);
  const dimensions target = fit(header.size, thumbnail_sides[0]);
  const std::size_t plane_bytes = plane::bytes_for(decoded.width + 32, decoded.height + 32);
  // Red, green and blue are decoded between each other, then taken apart, then made luma and chroma.
  const std::size_t planes = header.colour_space == TJCS_RGB ? 9 * plane_bytes : 3 * plane_bytes;
  return coefficients + rows + planes + resampling_bytes(decoded, target);
}

/// Repeats the last sample of each row and the last row where their number is odd: the encoder reads pairs.
void pad_to_even(plane& luma) {
  const unsigned width = luma.width();
  const unsigned height = luma.height();
  if (width % 2 == 1) {
    for (unsigned y = 0; y < height; ++y) luma.row(y)[width] = luma.row(y)[width - 1];
  }
  if (height % 2 == 1) std::copy_n(luma.row(height - 1), width + width % 2, luma.row(height));
}

}  // namespace

outcome<image_header> read_jpeg_header(std::span<const std::byte> photo) {
  const auto codec = expect_codec(tjInitDecompress());
  const auto header = read_header(codec.get(), photo);
  if (!header) return std::unexpected(header.error());
  const auto [held, scans, progressive] = outline_reader(photo).read();
  if (scans > max_scans) {
    return std::unexpected(unsupported(fmt::format("has {} scans where {} are accepted", scans, max_scans)));
  }
  // Scaled decoding keeps samples few; the coefficients of a file of several scans are kept whole.
  return image_header{image_type::jpeg, header->size, bytes_for(*header, progressive || scans > 1)};
}

outcome<decoded_photo> decode_jpeg(std::span<const std::byte> photo, unsigned longest) {
  const auto codec = expect_codec(tjInitDecompress());
  const auto header = read_header(codec.get(), photo);
  if (!header) return std::unexpected(header.error());
  const dimensions size = decoded_size(header->size, longest);
  auto pixels = header->colour_space == TJCS_RGB ? decode_rgb(codec.get(), photo, size)
                                                 : decode_planes(codec.get(), photo, *header, size);
  if (!pixels) return std::unexpected(std::move(pixels.error()));
  return decoded_photo{std::move(*pixels), outline_reader(photo).read().held};
}

std::vector<std::byte> encode_jpeg(picture source) {
  pad_to_even(source.planes[0]);
  const auto codec = expect_codec(tjInitCompress());
  const bool whole = source.chroma_divisor_x == 1;
  const int subsampling = source.planes.size() == 1 ? TJSAMP_GRAY : whole ? TJSAMP_444 : TJSAMP_420;
  std::array<const unsigned char*, 3> rows{};
  std::array<int, 3> strides{};
  for (std::size_t index = 0; index < source.planes.size(); ++index) {
    rows[index] = source.planes[index].row(0);
    strides[index] = static_cast<int>(source.planes[index].stride());
  }
  unsigned char* encoded = nullptr;
  unsigned long encoded_bytes = 0;
  const int failed = tjCompressFromYUVPlanes(codec.get(), rows.data(), static_cast<int>(source.width), strides.data(),
                                             static_cast<int>(source.height), subsampling, &encoded, &encoded_bytes,
                                             thumbnail_quality, 0);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owner(encoded, &tjFree);
  if (failed) throw std::runtime_error("TurboJPEG: " + damaged_for(codec.get()).message);
  const auto* first = reinterpret_cast<const std::byte*>(encoded);
  return {first, first + encoded_bytes};
}

}  // namespace gallery
