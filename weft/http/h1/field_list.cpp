#include "weft/http/h1/field_list.hpp"

#include "weft/http/h1/text.hpp"

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

bool list_has(std::string_view value, std::string_view word) noexcept {
  for (auto element : field_list{value}) {
    if (equals_ignoring_case(element, word)) return true;
  }
  return false;
}

void connection_options::note(std::string_view value) noexcept {
  close |= list_has(value, "close");
  keep_alive |= list_has(value, "keep-alive");
}

void transfer_codings::note(std::string_view value) noexcept {
  present = true;
  for (auto coding : field_list{value}) {
    auto name = coding.substr(0, coding.find_first_of("; \t"));
    auto parameters = without_white_space(coding.substr(name.size()));
    const bool is_chunked = equals_ignoring_case(name, "chunked");
    malformed |= !is_token(name) || (!parameters.empty() && !parameters.starts_with(';'));
    // chunked has no parameters, comes once, and last: RFC 9112, 6.1 and 7.1
    malformed |= chunked || (is_chunked && !parameters.empty());
    chunked = is_chunked;
    others |= !is_chunked;
    encoded |= !is_chunked && !equals_ignoring_case(name, "identity");
  }
}

}  // namespace weft::http::detail
