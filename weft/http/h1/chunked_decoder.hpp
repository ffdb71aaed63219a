#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <weft/base/result.hpp>

namespace weft::http::detail {

/// What a message's receiver makes of lines that begin with white space and so continue the one before (obs-fold).
enum class folded_lines : std::uint8_t { refused, accepted };

struct chunked_limits {
  std::uint64_t max_body_bytes = UINT64_MAX;  ///< the chunks' sizes in sum
  std::size_t max_line_bytes = SIZE_MAX;      ///< the line of a chunk's size
  std::size_t max_trailer_bytes = SIZE_MAX;   ///< its empty line included
  std::size_t max_trailer_fields = SIZE_MAX;
  folded_lines trailer_folds = folded_lines::refused;
};

// The coding, line by line:
//   size_line --a size----> data --all of it--> data_end --CR LF--> size_line
//      \-------zero-------> trailer --an empty line--> finished
// A line is consumed when all of it is there; data as it comes.

/// Takes the chunked coding off a body (RFC 9112, 7.1). Chunk extensions and the trailer are checked and dropped.
class chunked_decoder {
 public:
  explicit chunked_decoder(const chunked_limits& limits) noexcept
      : limits_{limits}, left_of_limit_{limits.max_body_bytes} {}

  struct progress {
    std::size_t consumed = 0;  ///< bytes of the input that are done with
    std::size_t produced = 0;  ///< bytes written to the output
  };

  /// Decodes some of `from` into `into`, which is not empty. When nothing was produced and finished() is false, it has
  /// to be called again with what it left unconsumed and more behind it. Fails with errc::malformed or
  /// errc::too_large, then always again.
  [[nodiscard]] result<progress> decode(std::string_view from, std::span<std::byte> into) noexcept;

  /// The last chunk and the trailer have been consumed.
  [[nodiscard]] bool finished() const noexcept { return state_ == state::finished; }

  /// Why it failed with errc::too_large: the trailer, not the body.
  [[nodiscard]] bool trailer_is_too_large() const noexcept { return trailer_is_too_large_; }

 private:
  enum class state : std::uint8_t { size_line, data, data_end, trailer, finished };

  [[nodiscard]] result<std::size_t> take_line(std::string_view from) noexcept;
  [[nodiscard]] result<void> take_size(std::string_view line) noexcept;
  /// `line` has its line break.
  [[nodiscard]] result<void> take_trailer_line(std::string_view line) noexcept;
  [[nodiscard]] result<std::size_t> take_data_end(std::string_view from) noexcept;

  chunked_limits limits_;
  std::uint64_t left_of_limit_;
  std::uint64_t left_of_chunk_ = 0;
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::size_t trailer_fields_ = 0;
  std::error_code failure_;
  state state_ = state::size_line;
  bool trailer_is_too_large_ = false;
};

}  // namespace weft::http::detail
