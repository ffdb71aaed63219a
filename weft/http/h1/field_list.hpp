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

/// The length of the quoted string that `text` begins with (RFC 9110, 5.6.4); npos when its closing quote is missing.
[[nodiscard]] constexpr std::size_t quoted_string_length(std::string_view text) noexcept {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') ++i;
  }
  return std::string_view::npos;
}

/// The elements of a field value that is a list, in order: between commas, without white space, empty ones left out
/// (RFC 9110, 5.6.1). A comma in a quoted string separates nothing; a quoted string without its closing quote ends with
/// the value.
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
        auto end = element_length(rest_);
        element_ = without_white_space(rest_.substr(0, end));
        rest_.remove_prefix(end < rest_.size() ? end + 1 : end);
      }
    }

    /// How many characters `text` has before its first comma outside of a quoted string.
    static constexpr std::size_t element_length(std::string_view text) noexcept {
      std::size_t end = text.find_first_of(",\"");
      while (end != std::string_view::npos && text[end] == '"') {
        auto quoted = quoted_string_length(text.substr(end));
        if (quoted == std::string_view::npos) return text.size();
        end = text.find_first_of(",\"", end + quoted);
      }
      return end == std::string_view::npos ? text.size() : end;
    }

    std::string_view rest_;
    std::string_view element_;
  };

  [[nodiscard]] constexpr iterator begin() const noexcept { return iterator{value_}; }
  [[nodiscard]] constexpr std::default_sentinel_t end() const noexcept { return {}; }

 private:
  std::string_view value_;
};

/// Whether the list `value` has `word` among its elements, in whichever case.
[[nodiscard]] bool list_has(std::string_view value, std::string_view word) noexcept;

/// What the Connection fields of a message ask for.
struct connection_options {
  bool close = false;
  bool keep_alive = false;

  /// The next of its Connection fields.
  void note(std::string_view value) noexcept;
  /// Whether the connection outlives the message (RFC 9112, 9.3).
  [[nodiscard]] bool keep(int version) const noexcept { return !close && (version >= 11 || keep_alive); }
};

/// What the Transfer-Encoding fields of a message say. They are one list, over all of its lines (RFC 9112, 6.1 and 7).
struct transfer_codings {
  bool present = false;    ///< there is such a field, with an empty list perhaps
  bool malformed = false;  ///< also: chunked has parameters, or a coding after it
  bool chunked = false;    ///< the last coding so far is chunked
  bool others = false;     ///< a coding is there that is not chunked
  bool encoded = false;    ///< one of these is not "identity", which RFC 2616 had for a body as it is

  /// The next of its Transfer-Encoding fields.
  void note(std::string_view value) noexcept;
};

}  // namespace weft::http::detail
