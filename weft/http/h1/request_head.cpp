#include <algorithm>
#include <optional>

#include "weft/http/h1/authority.hpp"
#include "weft/http/h1/field_list.hpp"
#include "weft/http/h1/head_parser.hpp"
#include "weft/http/h1/text.hpp"

// A request's head, by the grammar of RFC 9112, 2 to 6. It arrives whole, each line ended by CR LF and none folded, as
// the head_scanner sees to. Where the grammar leaves room, these are refused, since a proxy in front of us may read
// them otherwise than we do and let a second request slip through inside the first (request smuggling):
//   * Content-Length more than once, or as a list, even with equal values; or with Transfer-Encoding, in either order
//   * Transfer-Encoding in an HTTP/1.0 message
//   * a CR alone, white space before the colon, and control characters anywhere
//   * a Host that is no authority, whatever the version
namespace weft::http::detail {
namespace {

constexpr rejection malformed_request_line{status::bad_request,
                                           "The request line is malformed: send METHOD SP TARGET SP HTTP/1.1 CRLF."};
constexpr rejection malformed_field{
    status::bad_request, "A header field is malformed: send Name: value CRLF, with no space before the colon."};

bool is_target_character(char c) noexcept { return !is_control(c) && c != ' '; }

/// Takes the next line off `text`, without its CR LF.
std::string_view take_line(std::string_view& text) noexcept {
  auto end = std::min(text.find('\n'), text.size() - 1);
  auto line = text.substr(0, end == 0 ? 0 : end - 1);
  text.remove_prefix(end + 1);
  return line;
}

/// "HTTP/1.0" is 10; every later minor version of HTTP/1 is served as HTTP/1.1 (RFC 9110, 6.2). Others are refused.
std::optional<rejection> parse_version(std::string_view text, int& into) {
  constexpr std::string_view name = "HTTP/";
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != name.size() + 3 || !text.starts_with(name)) return malformed_request_line;
  char major = text[name.size()];
  char minor = text[name.size() + 2];
  if (!is_digit(major) || text[name.size() + 1] != '.' || !is_digit(minor)) return malformed_request_line;
  if (major != '1') {
    return rejection{status::http_version_not_supported, "Only HTTP/1.1 and HTTP/1.0 are spoken here."};
  }
  into = minor == '0' ? 10 : 11;
  return std::nullopt;
}

/// Gathers a head's fields and what they say about its framing.
class request_head_parser {
 public:
  request_head_parser(const head_limits& limits, request_head& into) noexcept : limits_{limits}, head_{into} {}

  std::optional<rejection> parse(std::string_view text) {
    if (auto rejected = parse_request_line(take_line(text))) return rejected;
    head_.fields.clear();
    while (!text.starts_with('\r')) {
      if (auto rejected = parse_field(text)) return rejected;
    }
    return text == "\r\n" ? conclude() : malformed_field;
  }

 private:
  std::optional<rejection> parse_request_line(std::string_view line) {
    auto method_end = line.find(' ');
    if (method_end == std::string_view::npos || !is_token(line.substr(0, method_end))) return malformed_request_line;
    head_.method_name = line.substr(0, method_end);
    head_.method = method_of(head_.method_name);
    line.remove_prefix(method_end + 1);
    auto target_end = std::min(line.find(' '), line.size());
    head_.target = line.substr(0, target_end);
    if (head_.target.empty() || target_end == line.size()) return malformed_request_line;
    if (!std::ranges::all_of(head_.target, is_target_character)) return malformed_request_line;
    if (auto rejected = parse_version(line.substr(target_end + 1), head_.version)) return rejected;
    if (head_.target.size() <= limits_.max_target_bytes) return std::nullopt;
    return rejection{status::uri_too_long, "The request target is too long: put what does not fit into the body."};
  }

  std::optional<rejection> parse_field(std::string_view& text) {
    auto field = take_field(text);
    if (!field) return malformed_field;
    if (head_.fields.size() == limits_.max_header_fields) {
      return rejection{status::request_header_fields_too_large, "The request has too many header fields: send fewer."};
    }
    head_.fields.push_back(*field);
    return note(*field);
  }

  /// Lengths first: most fields are none of these, and their names need no closer look.
  std::optional<rejection> note(const header_field& field) {
    switch (field.name.size()) {
      case 4: return equals_ignoring_case(field.name, "Host") ? note_host(field.value) : std::nullopt;
      case 6: return equals_ignoring_case(field.name, "Expect") ? note_expectation(field.value) : std::nullopt;
      case 10: return equals_ignoring_case(field.name, "Connection") ? note_connection(field.value) : std::nullopt;
      case 14: return equals_ignoring_case(field.name, "Content-Length") ? note_length(field.value) : std::nullopt;
      case 17: return equals_ignoring_case(field.name, "Transfer-Encoding") ? note_codings(field.value) : std::nullopt;
      default: return std::nullopt;
    }
  }

  std::optional<rejection> note_host(std::string_view value) {
    if (has_host_) return rejection{status::bad_request, "Host is there more than once: send it once."};
    has_host_ = true;
    head_.host = value;
    if (value.empty() || parse_authority(value)) return std::nullopt;
    return rejection{status::bad_request, "Host is not a host name with an optional port."};
  }

  std::optional<rejection> note_expectation(std::string_view value) {
    for (auto expectation : field_list{value}) {
      const bool is_known = equals_ignoring_case(expectation, "100-continue");
      head_.expects_continue |= is_known;
      other_expectation_ |= !is_known;
    }
    return std::nullopt;
  }

  std::optional<rejection> note_connection(std::string_view value) {
    connection_.note(value);
    return std::nullopt;
  }

  std::optional<rejection> note_length(std::string_view value) {
    if (length_) return rejection{status::bad_request, "Content-Length is there more than once: send it once."};
    length_ = parse_decimal(value);
    if (length_) return std::nullopt;
    return rejection{status::bad_request, "Content-Length is not a number: send the body's bytes, in digits."};
  }

  std::optional<rejection> note_codings(std::string_view value) {
    codings_.note(value);
    return codings_.malformed ? std::optional{misplaced_chunked()} : std::nullopt;
  }

  static rejection misplaced_chunked() {
    return {status::bad_request, "Where the body ends is ambiguous: send Transfer-Encoding: chunked, once, and last."};
  }

  /// What can be told only when all fields are known.
  std::optional<rejection> conclude() {
    if (head_.version >= 11 && !has_host_) {
      return rejection{status::bad_request, "HTTP/1.1 requires a Host field: send the name you connected to."};
    }
    if (codings_.present) {
      if (length_) {
        return rejection{status::bad_request, "Content-Length and Transfer-Encoding exclude each other: send one."};
      }
      if (head_.version < 11) {
        return rejection{status::bad_request, "HTTP/1.0 has no Transfer-Encoding: send Content-Length, or HTTP/1.1."};
      }
      if (!codings_.chunked) return misplaced_chunked();
      if (codings_.others) {
        return rejection{status::not_implemented, "No transfer coding but chunked is known here: send the body plain."};
      }
    }
    if (head_.version < 11) {
      head_.expects_continue = false;  // RFC 9110, 10.1.1
    } else if (other_expectation_) {
      return rejection{status::expectation_failed, "The only expectation that can be met is 100-continue."};
    }
    head_.content_length = length_.value_or(0);
    head_.framing = codings_.chunked ? framing::chunked : head_.content_length > 0 ? framing::length : framing::none;
    head_.persistence = connection_.keep(head_.version) ? persistence::keep_alive : persistence::close;
    return std::nullopt;
  }

  const head_limits& limits_;
  request_head& head_;
  std::optional<std::uint64_t> length_;
  bool has_host_ = false;
  bool other_expectation_ = false;
  transfer_codings codings_;
  connection_options connection_;
};

}  // namespace

std::optional<rejection> parse_request_head(std::string_view text, const head_limits& limits, request_head& into) {
  into.host = {};
  into.expects_continue = false;
  return request_head_parser{limits, into}.parse(text);
}

}  // namespace weft::http::detail
