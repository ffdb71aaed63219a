#include "exif.hpp"

#include <cstdint>
#include <optional>

namespace gallery {
namespace {

/// Reads the integers of a TIFF structure, in whichever byte order it declares, and never outside of it.
class tiff_reader {
 public:
  tiff_reader(std::span<const std::byte> bytes, bool little_endian) : bytes_(bytes), little_endian_(little_endian) {}

  [[nodiscard]] std::optional<std::uint32_t> integer(std::size_t offset, std::size_t size) const noexcept {
    if (offset > bytes_.size() || bytes_.size() - offset < size) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t index = 0; index < size; ++index) {
      const std::size_t at = little_endian_ ? size - 1 - index : index;
      value = (value << 8) | std::to_integer<std::uint32_t>(bytes_[offset + at]);
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool little_endian_;
};

constexpr std::uint32_t tiff_magic = 42;
constexpr std::uint32_t orientation_tag = 0x0112;
constexpr std::uint32_t short_type = 3;
constexpr std::size_t entry_bytes = 12;

}  // namespace

orientation read_orientation(std::span<const std::byte> tiff) noexcept {
  if (tiff.size() < 8) return orientation::upright;
  const tiff_reader reader(tiff, tiff[0] == std::byte{'I'});
  if (tiff[0] != tiff[1] || (tiff[0] != std::byte{'I'} && tiff[0] != std::byte{'M'})) return orientation::upright;
  if (reader.integer(2, 2) != tiff_magic) return orientation::upright;

  const std::size_t directory = *reader.integer(4, 4);
  const auto entries = reader.integer(directory, 2);
  if (!entries) return orientation::upright;
  for (std::size_t index = 0; index < *entries; ++index) {
    const std::size_t entry = directory + 2 + index * entry_bytes;
    const auto tag = reader.integer(entry, 2);
    if (!tag) return orientation::upright;
    if (*tag != orientation_tag) continue;
    const auto value = reader.integer(entry + 8, 2);
    const bool valid = reader.integer(entry + 2, 2) == short_type && value && *value >= 1 && *value <= 8;
    return valid ? static_cast<orientation>(*value) : orientation::upright;
  }
  return orientation::upright;
}

}  // namespace gallery
