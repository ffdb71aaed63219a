#include "weft/http/h1/request_target.hpp"

#include <algorithm>

#include <weft/http/header_field.hpp>

#include "weft/http/h1/authority.hpp"
#include "weft/http/h1/text.hpp"

namespace weft::http::detail {
namespace {

std::unexpected<rejection> reject(std::string_view message) {
  return std::unexpected{rejection{status::bad_request, message}};
}

/// Whether `path`, which is decoded, has "." or ".." between two slashes or at its end.
bool has_dot_segment(std::string_view path) noexcept {
  for (auto dot = path.find("/."); dot != std::string_view::npos; dot = path.find("/.", dot + 1)) {
    auto segment = path.substr(dot + 1, path.find('/', dot + 1) - (dot + 1));
    if (segment == "." || segment == "..") return true;
  }
  return false;
}

bool is_beyond_ascii(char c) noexcept { return static_cast<unsigned char>(c) >= 0x80; }

/// Whether an escape in `path` stands for a character that must not come out of one.
bool has_forbidden_escape(std::string_view path) noexcept {
  for (auto percent = path.find('%'); percent != std::string_view::npos; percent = path.find('%', percent + 1)) {
    char decoded = 0;
    if (!percent_decode(path.substr(percent, 3), plus_sign::itself, &decoded)) return true;
    if (is_control(decoded) || decoded == '/' || decoded == '\\') return true;
  }
  return false;
}

std::expected<std::string_view, rejection> decode_path(std::string_view path, std::pmr::memory_resource& memory) {
  if (path.find_first_of("\\#") != std::string_view::npos) {
    return reject("The path has a '\\' or a '#': percent-encode them in a query, leave them out of a path.");
  }
  if (path.find('%') != std::string_view::npos) {
    if (has_forbidden_escape(path)) {
      return reject(
          "The path has a bad percent escape: write %XX with two hexadecimal digits, and no escaped slash, "
          "backslash or control character.");
    }
    auto* decoded = static_cast<char*>(memory.allocate(path.size(), 1));
    path = {decoded, *percent_decode(path, plus_sign::itself, decoded)};
  }
  if (has_dot_segment(path)) return reject("The path has a '.' or '..' segment: send the path it resolves to.");
  if (std::ranges::any_of(path, is_beyond_ascii) && !is_valid_utf8(path)) {
    return reject("The path is not UTF-8: encode it as UTF-8, then percent-encode it.");
  }
  return path;
}

/// A query is decoded parameter by parameter, later; here it only has to be decodable.
bool is_good_query(std::string_view query, std::pmr::memory_resource& memory) {
  if (query.find('#') != std::string_view::npos) return false;
  bool plain = query.find('%') == std::string_view::npos && std::ranges::none_of(query, is_beyond_ascii);
  if (plain) return true;
  auto* decoded = static_cast<char*>(memory.allocate(query.size(), 1));
  auto size = percent_decode(query, plus_sign::space, decoded);
  return size && std::string_view{decoded, *size}.find('\0') == std::string_view::npos &&
         is_valid_utf8({decoded, *size});
}

}  // namespace

std::expected<request_target, rejection> parse_request_target(http::method method, std::string_view target,
                                                              std::pmr::memory_resource& memory) {
  if (method == method::connect) {
    auto wanted = parse_authority(target);
    if (!wanted || parse_decimal(wanted->port).value_or(0) == 0) {
      return reject("The target of CONNECT is a host and a port: send host:port.");
    }
    return std::unexpected{rejection{status::not_implemented, "CONNECT is not served here: this is not a proxy."}};
  }
  request_target parsed;
  if (target == "*" && method == method::options) {
    parsed.path = target;
    return parsed;
  }
  if (!target.starts_with('/')) {  // the absolute form, "http://host/path"
    auto scheme_end = target.find("://");
    auto scheme = target.substr(0, scheme_end == std::string_view::npos ? 0 : scheme_end);
    if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) {
      return reject("The request target is neither a path that begins with '/' nor an http URL.");
    }
    auto rest = target.substr(scheme_end + 3);
    auto authority_end = std::min(rest.find_first_of("/?"), rest.size());
    parsed.authority = rest.substr(0, authority_end);
    if (!parse_authority(parsed.authority)) {
      return reject("The URL in the request line names no host, or not as host:port.");
    }
    target = rest.substr(authority_end);
  }
  auto question = std::min(target.find('?'), target.size());
  auto path = decode_path(target.substr(0, question), memory);
  if (!path) return std::unexpected{path.error()};
  parsed.path = path->empty() ? std::string_view{"/"} : *path;
  parsed.query = target.substr(std::min(question + 1, target.size()));
  if (!is_good_query(parsed.query, memory)) {
    return reject("The query has a bad percent escape, a '#' or text that is not UTF-8: percent-encode it as UTF-8.");
  }
  return parsed;
}

}  // namespace weft::http::detail
