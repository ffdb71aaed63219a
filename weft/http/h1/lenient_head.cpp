#include "weft/http/h1/lenient_head.hpp"

#include <algorithm>
#include <cstddef>

namespace weft::http::detail {
namespace {

constexpr std::string_view shape = "HTTP/1.1 200";
constexpr std::size_t minor_version = 7;

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Whether `line` is a status line of HTTP/1.x, but perhaps for the reason.
bool is_status_line(std::string_view line) noexcept {
  return line.size() >= shape.size() && line.starts_with("HTTP/1.") && is_digit(line[minor_version]) &&
         line[minor_version + 1] == ' ' && std::ranges::all_of(line.substr(shape.size() - 3, 3), is_digit);
}

/// Where the next line begins that continues the one before; npos when none does.
std::size_t find_fold(std::string_view text, std::size_t from) noexcept {
  for (auto end = text.find("\r\n", from); end != std::string_view::npos; end = text.find("\r\n", end + 2)) {
    if (end + 2 < text.size() && is_blank(text[end + 2])) return end;
  }
  return std::string_view::npos;
}

/// `text`, with each line's end that a blank follows, and the blanks around it, replaced by one space.
std::string unfolded(std::string_view text) {
  std::string all;
  all.reserve(text.size());
  for (auto fold = find_fold(text, 0); fold != std::string_view::npos; fold = find_fold(text, 0)) {
    all += text.substr(0, fold);
    while (is_blank(all.back())) all.pop_back();
    all += ' ';
    text.remove_prefix(std::min(text.find_first_not_of(" \t", fold + 2), text.size()));
  }
  return all += text;
}

}  // namespace

std::optional<std::string> amended_head(std::string_view text) {
  auto line = text.substr(0, text.find("\r\n"));
  if (!is_status_line(line)) return std::nullopt;  // the parser says so
  const bool has_reason = line.size() > shape.size();
  const bool is_later = line[minor_version] > '1';
  const bool has_folds = find_fold(text, line.size() + 1) != std::string_view::npos;
  if (has_reason && !is_later && !has_folds) return std::nullopt;
  auto amended = has_folds ? unfolded(text) : std::string{text};
  if (is_later) amended[minor_version] = '1';
  if (!has_reason) amended.insert(shape.size(), 1, ' ');
  return amended;
}

}  // namespace weft::http::detail
