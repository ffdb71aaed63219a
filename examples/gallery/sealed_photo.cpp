#include "sealed_photo.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include <weft/fs/file.hpp>

namespace gallery {
namespace {

constexpr std::string_view mark = "weftrec\x01";
constexpr std::size_t length_bytes = 4;
constexpr std::size_t trailer_bytes = length_bytes + mark.size();
constexpr std::size_t most_record_bytes = 4096;
constexpr std::string_view accepted = "ok";  // the one verdict with which photos are kept

std::string label(const photo_id& id, part which) { return fmt::format("{}.{}", id.text(), name(which)); }
std::string record_label(const photo_id& id) { return fmt::format("{}.record", id.text()); }

/// One line: "1 <sha256> <type> <width> <height> <bytes> <microseconds since 1970> <verdict>", the verdict to the end.
std::string to_text(const photo_record& photo) {
  return fmt::format("1 {} {} {} {} {} {} {}", photo.sha256, name(photo.type), photo.size.width, photo.size.height,
                     photo.bytes, photo.created_us, photo.verdict);
}

/// Takes a word off the beginning of a line.
std::string_view take_word(std::string_view& line) {
  const auto word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(word.size() + 1, line.size()));
  return word;
}

template <class Integer>
bool take_number(std::string_view& line, Integer& into) {
  const auto word = take_word(line);
  const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), into);
  return failed == std::errc{} && end == word.data() + word.size();
}

/// Nothing for what a version wrote that knew more.
std::optional<photo_record> parse(const photo_id& id, std::span<const std::byte> text) {
  std::string_view line(reinterpret_cast<const char*>(text.data()), text.size());
  photo_record record{.id = id};
  if (take_word(line) != "1") return std::nullopt;
  record.sha256 = take_word(line);
  const auto type = take_word(line);
  record.type = type == name(image_type::png) ? image_type::png : image_type::jpeg;
  const bool makes_sense = take_number(line, record.size.width) && take_number(line, record.size.height) &&
                           take_number(line, record.bytes) && take_number(line, record.created_us);
  if (!makes_sense || type != name(record.type)) return std::nullopt;
  record.verdict = line;
  return record;
}

void append(bytes& target, std::span<const std::byte> more) { target.insert(target.end(), more.begin(), more.end()); }

/// How long the sealed record is that ends where `file_end`, the last bytes of a file, does. 0: there is none.
std::size_t record_length(std::span<const std::byte> file_end) {
  if (file_end.size() < trailer_bytes) return 0;
  const auto trailer = file_end.last(trailer_bytes);
  if (!std::ranges::equal(trailer.last(mark.size()), std::as_bytes(std::span(mark)))) return 0;
  std::size_t length = 0;
  for (std::size_t index = length_bytes; index-- > 0;)
    length = length << 8 | std::to_integer<std::size_t>(trailer[index]);
  return length <= most_record_bytes && length + trailer_bytes <= file_end.size() ? length : 0;
}

std::span<const std::byte> without_record(std::span<const std::byte> file) {
  const std::size_t record = record_length(file);
  return record == 0 ? file : file.first(file.size() - record - trailer_bytes);
}

/// Without its record an original still tells all but when it came: its file knows that nearly.
std::optional<photo_record> record_from_contents(const vault& sealing, const photo_id& photo,
                                                 const std::filesystem::path& path) {
  const auto file = read_whole(path);
  if (!file) return std::nullopt;
  const auto original = unseal(sealing, photo, part::original, *file);
  if (!original) return std::nullopt;
  const auto header = inspect(*original);
  const auto rendered = header ? render(*original) : outcome<rendition>(std::unexpected(header.error()));
  if (!rendered) return std::nullopt;
  std::error_code failed;
  const auto written = std::chrono::file_clock::to_sys(std::filesystem::last_write_time(path, failed));
  if (failed) return std::nullopt;
  const auto created = std::chrono::duration_cast<std::chrono::microseconds>(written.time_since_epoch());
  return photo_record{.id = photo,
                      .sha256 = sha256(*original),
                      .type = header->type,
                      .size = rendered->upright,
                      .bytes = original->size(),
                      .created_us = created.count(),
                      .verdict = std::string(accepted)};
}

}  // namespace

bytes seal_original(const vault& sealing, const photo_record& photo, std::span<const std::byte> original) {
  const auto text = to_text(photo);
  const auto record = sealing.seal(record_label(photo.id), std::as_bytes(std::span(text)));
  bytes file = sealing.seal(label(photo.id, part::original), original, record.size() + trailer_bytes);
  append(file, record);
  for (std::size_t index = 0; index < length_bytes; ++index) {
    file.push_back(static_cast<std::byte>(record.size() >> (8 * index)));
  }
  append(file, std::as_bytes(std::span(mark)));
  return file;
}

bytes seal_thumbnail(const vault& sealing, const photo_id& photo, part which, std::span<const std::byte> jpeg) {
  return sealing.seal(label(photo, which), jpeg);
}

std::optional<bytes> unseal(const vault& sealing, const photo_id& photo, part which, std::span<const std::byte> file) {
  return sealing.unseal(label(photo, which), which == part::original ? without_record(file) : file);
}

std::optional<photo_record> read_record(const vault& sealing, const photo_id& photo,
                                        const std::filesystem::path& path) {
  auto file = weft::file::open(path);
  if (!file) return std::nullopt;
  const auto size = file->size();
  if (!size) return std::nullopt;
  bytes end(std::min<std::uint64_t>(*size, most_record_bytes + trailer_bytes));
  const auto filled = file->read_at(end, *size - end.size());
  if (!filled || *filled != end.size()) return std::nullopt;
  if (const std::size_t length = record_length(end)) {
    const auto sealed = std::span(end).last(length + trailer_bytes).first(length);
    const auto text = sealing.unseal(record_label(photo), sealed);
    auto record = text ? parse(photo, *text) : std::nullopt;
    if (record && record->bytes + vault::overhead_bytes + length + trailer_bytes == *size) return record;
  }
  return record_from_contents(sealing, photo, path);
}

bool is_sealed_with(const vault& sealing, const stored_file& file) {
  const auto contents = read_whole(file.path);
  return contents && unseal(sealing, file.photo, file.which, *contents).has_value();
}

}  // namespace gallery
