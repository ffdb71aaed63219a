#include "http/field_list.hpp"

#include "http/text.hpp"

namespace weft::http::detail {

std::optional<header_field> take_field(std::string_view& text) noexcept {
  std::size_t name_end = 0;
  while (name_end < text.size() && is_token_character(text[name_end])) ++name_end;
  if (name_end == 0 || name_end == text.size() || text[name_end] != ':') return std::nullopt;
  auto rest = text.substr(name_end + 1);
  auto value_end = field_value_length(rest);
  if (!rest.substr(value_end).starts_with("\r\n")) return std::nullopt;
  header_field field{text.substr(0, name_end), without_white_space(rest.substr(0, value_end))};
  text = rest.substr(value_end + 2);
  return field;
}

}  // namespace weft::http::detail
