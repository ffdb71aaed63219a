#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>

#include <weft/http/header_field.hpp>

namespace weft::http::detail {

[[nodiscard]] constexpr bool is_white_space(char c) noexcept { return c == ' ' || c == '\t'; }

/// `text` without the blanks and tabs around it.
[[nodiscard]] constexpr std::string_view without_white_space(std::string_view text) noexcept {
  while (!text.empty() && is_white_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_white_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Takes a field's line off `text`, which begins with it: a token, a colon, a value without control characters, which
/// is returned without the white space around it, CR, and LF. None when the line is anything else.
[[nodiscard]] std::optional<header_field> take_field(std::string_view& text) noexcept;

/// The elements of a field value that is a list, in order: between commas, without white space, empty ones left out
/// (RFC 9110, 5.6.1). A comma in quotes counts as any other: what is cut there is no token, and so no known word.
class field_list {
 public:
  explicit constexpr field_list(std::string_view value) noexcept : value_{value} {}

  class iterator {
   public:
    explicit constexpr iterator(std::string_view rest) noexcept : rest_{rest} { advance(); }
    [[nodiscard]] constexpr std::string_view operator*() const noexcept { return element_; }
    constexpr iterator& operator++() noexcept {
      advance();
      return *this;
    }
    /// No elements are left.
    [[nodiscard]] constexpr bool operator==(std::default_sentinel_t) const noexcept { return element_.empty(); }

   private:
    constexpr void advance() noexcept {
      element_ = {};
      while (element_.empty() && !rest_.empty()) {
        auto end = rest_.find(',');
        element_ = without_white_space(rest_.substr(0, end));
        rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
      }
    }

    std::string_view rest_;
    std::string_view element_;
  };

  [[nodiscard]] constexpr iterator begin() const noexcept { return iterator{value_}; }
  [[nodiscard]] constexpr std::default_sentinel_t end() const noexcept { return {}; }

 private:
  std::string_view value_;
};

}  // namespace weft::http::detail
