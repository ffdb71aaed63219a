#include "weft/http/h1/head_scanner.hpp"

namespace weft::http::detail {

head_scanner::verdict head_scanner::scan(std::string_view text) noexcept {
  for (;;) {
    auto line_feed = text.find('\n', scanned_);
    if (line_begin_ > 0 && line_begin_ < text.size() && (text[line_begin_] == ' ' || text[line_begin_] == '\t') &&
        (folds_ == folds::refused || after_first_line_)) {
      return verdict::folded_line;
    }
    if (line_feed == std::string_view::npos) {
      scanned_ = text.size();
      return verdict::incomplete;
    }
    if (line_feed == line_begin_ || text[line_feed - 1] != '\r') return verdict::bare_line_feed;
    bool empty_line = line_feed == line_begin_ + 1;
    after_first_line_ = line_begin_ == 0;
    scanned_ = line_begin_ = line_feed + 1;
    if (empty_line) return verdict::complete;
  }
}

}  // namespace weft::http::detail
