#include <weft/http/body_reader.hpp>

#include <algorithm>

namespace weft::http {

std::optional<result<std::size_t>> body_reader::try_read(std::span<std::byte>) { return std::nullopt; }

result<std::string> body_reader::read_all(std::size_t max_bytes) {
  constexpr std::size_t first_step = 4096;
  constexpr std::size_t largest_step = std::size_t{1} << 20;
  if (length() && *length() > max_bytes) return failure(errc::too_large);
  std::string all;
  while (!finished()) {
    auto filled = all.size();
    // What is announced is believed only step by step: a length in a header has cost its sender nothing.
    auto step = std::clamp(filled, first_step, largest_step);
    if (length()) step = static_cast<std::size_t>(std::min<std::uint64_t>(step, *length() - filled));
    all.resize(filled + step);
    auto received = read(std::as_writable_bytes(std::span{all}.subspan(filled)));
    if (!received) return std::unexpected{received.error()};
    all.resize(filled + *received);
    if (all.size() > max_bytes) return failure(errc::too_large);
  }
  return all;
}

}  // namespace weft::http
