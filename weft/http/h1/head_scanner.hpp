#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::http::detail {

/// Finds where a message's head ends, in however many pieces it arrives, so that the parser proper sees each head once
/// and whole. Refuses what programs disagree on as a line's end: LF without CR, and, unless they are wanted, lines that
/// continue the one before (obs-fold). A CR without LF is the parser's to refuse.
class head_scanner {
 public:
  /// Whether a field's value may go on on the next line. The first field's line never continues the start line.
  enum class folds : std::uint8_t { refused, accepted };
  head_scanner() noexcept = default;
  explicit head_scanner(folds wanted) noexcept : folds_{wanted} {}

  enum class verdict : std::uint8_t { incomplete, complete, bare_line_feed, folded_line };

  /// `text` is the head so far, from its first byte: what the last call saw, and more.
  [[nodiscard]] verdict scan(std::string_view text) noexcept;

  /// Bytes of the head, its empty line included. Only when complete.
  [[nodiscard]] std::size_t head_bytes() const noexcept { return line_begin_; }
  /// Whether the first line, of a request its target and version, has ended.
  [[nodiscard]] bool first_line_complete() const noexcept { return line_begin_ > 0; }

 private:
  folds folds_ = folds::refused;
  bool after_first_line_ = false;  // the line at line_begin_ is the second
  std::size_t line_begin_ = 0;
  std::size_t scanned_ = 0;
};

}  // namespace weft::http::detail
