#include "weft/http/h1/chunked_decoder.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "weft/http/h1/field_list.hpp"
#include "weft/http/h1/text.hpp"

namespace weft::http::detail {
namespace {

/// In all, of one body. No program needs chunk extensions but one that wants to keep a server busy.
constexpr std::size_t max_extension_bytes = 4096;

/// Takes a token or a quoted string off `text`; false when it begins with neither.
bool take_extension_value(std::string_view& text) noexcept {
  if (!text.starts_with('"')) {
    auto end = std::ranges::find_if_not(text, is_token_character) - text.begin();
    text.remove_prefix(static_cast<std::size_t>(end));
    return end > 0;
  }
  auto quoted = quoted_string_length(text);
  if (quoted == std::string_view::npos) return false;
  text.remove_prefix(quoted);
  return true;
}

void skip_white_space(std::string_view& text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

/// *( BWS ";" BWS name [ BWS "=" BWS value ] )
bool are_extensions(std::string_view text) noexcept {
  if (!is_field_value(text)) return false;  // no control characters in quotes either
  while (!text.empty()) {
    skip_white_space(text);
    if (!text.starts_with(';')) return false;
    text.remove_prefix(1);
    skip_white_space(text);
    if (text.starts_with('"') || !take_extension_value(text)) return false;
    auto rest = text;
    skip_white_space(rest);
    if (!rest.starts_with('=')) continue;
    rest.remove_prefix(1);
    skip_white_space(rest);
    if (!take_extension_value(rest)) return false;
    text = rest;
  }
  return true;
}

}  // namespace

result<chunked_decoder::progress> chunked_decoder::decode(std::string_view from, std::span<std::byte> into) noexcept {
  progress done;
  if (failure_) return std::unexpected{failure_};
  while (state_ != state::finished && done.consumed < from.size() && done.produced < into.size()) {
    auto rest = from.substr(done.consumed);
    if (state_ == state::data) {
      auto room = std::min(rest.size(), into.size() - done.produced);
      auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(room, left_of_chunk_));
      std::memcpy(into.data() + done.produced, rest.data(), taken);
      done.produced += taken;
      done.consumed += taken;
      left_of_chunk_ -= taken;
      if (left_of_chunk_ == 0) state_ = state::data_end;
      continue;
    }
    auto taken = state_ == state::data_end ? take_data_end(rest) : take_line(rest);
    if (!taken) {
      failure_ = taken.error();
      return std::unexpected{failure_};
    }
    if (*taken == 0) break;
    done.consumed += *taken;
  }
  return done;
}

/// The bytes of the line that `from` begins with, which is done with; 0 when its end is not there yet.
result<std::size_t> chunked_decoder::take_line(std::string_view from) noexcept {
  const bool in_trailer = state_ == state::trailer;
  auto line_feed = from.find('\n');
  auto bytes = line_feed == std::string_view::npos ? from.size() : line_feed + 1;
  if (in_trailer && bytes > limits_.max_trailer_bytes - trailer_bytes_) {
    trailer_is_too_large_ = true;
    return failure(errc::too_large);
  }
  if (!in_trailer && bytes > limits_.max_line_bytes) return failure(errc::malformed);
  if (line_feed == std::string_view::npos) return 0;
  if (line_feed == 0 || from[line_feed - 1] != '\r') return failure(errc::malformed);
  auto taken = in_trailer ? take_trailer_line(from.substr(0, bytes)) : take_size(from.substr(0, line_feed - 1));
  if (!taken) return std::unexpected{taken.error()};
  return bytes;
}

result<void> chunked_decoder::take_size(std::string_view line) noexcept {
  std::uint64_t size = 0;
  auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  if (error != std::errc{}) return failure(errc::malformed);  // no digit, or more than 64 bits
  auto extensions = line.substr(static_cast<std::size_t>(end - line.data()));
  extension_bytes_ += extensions.size();
  if (extension_bytes_ > max_extension_bytes || !are_extensions(extensions)) return failure(errc::malformed);
  if (size > left_of_limit_) return failure(errc::too_large);
  left_of_limit_ -= size;
  left_of_chunk_ = size;
  state_ = size > 0 ? state::data : state::trailer;
  return {};
}

result<void> chunked_decoder::take_trailer_line(std::string_view line) noexcept {
  trailer_bytes_ += line.size();
  auto text = line.substr(0, line.size() - 2);
  if (text.empty()) {
    state_ = state::finished;
    return {};
  }
  if (is_white_space(text.front())) {
    bool continues = trailer_fields_ > 0 && limits_.trailer_folds == folded_lines::accepted && is_field_value(text);
    return continues ? result<void>{} : failure(errc::malformed);
  }
  if (!take_field(line)) return failure(errc::malformed);
  if (trailer_fields_ == limits_.max_trailer_fields) {
    trailer_is_too_large_ = true;
    return failure(errc::too_large);
  }
  ++trailer_fields_;
  return {};
}

result<std::size_t> chunked_decoder::take_data_end(std::string_view from) noexcept {
  if (from[0] != '\r') return failure(errc::malformed);
  if (from.size() == 1) return 0;
  if (from[1] != '\n') return failure(errc::malformed);
  state_ = state::size_line;
  return 2;
}

}  // namespace weft::http::detail
