#include "access_policy.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <weft/io/endpoint.hpp>

#include "files.hpp"
#include "vault.hpp"

namespace gallery {
namespace {

constexpr std::size_t least_token_length = 16;

char lower(char each) { return each >= 'A' && each <= 'Z' ? static_cast<char>(each - 'A' + 'a') : each; }

bool same_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, lower, lower);
}

/// "[::1]:8080" -> "[::1]", "localhost:8080" -> "localhost"
std::string_view without_port(std::string_view host) {
  const auto colon = host.rfind(':');
  if (colon == std::string_view::npos || host.ends_with(']')) return host;
  return host.substr(0, colon);
}

bool is_address(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return weft::endpoint::parse(host, 0).has_value();
}

/// Whether the page at `origin` was served by the host that the request is for.
bool is_same_origin(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) return same_ignoring_case(origin.substr(scheme.size()), host);
  }
  return false;
}

problem foreign_page() {
  return {403, "foreign_page", "a page of another origin cannot change the gallery: use the gallery's own page"};
}

}  // namespace

access_policy::access_policy(settings wanted) : settings_(std::move(wanted)) {}

std::optional<problem> access_policy::check(const sender& who) const {
  if (!is_known_host(without_port(who.host))) {
    return problem{403, "unknown_host",
                   "the gallery is not known by the name in the Host field: use its address, or start it with --host "
                   "and that name"};
  }
  if (!who.changes_something) return std::nullopt;
  if (who.origin && !is_same_origin(*who.origin, who.host)) return foreign_page();
  if (who.fetch_site && *who.fetch_site != "same-origin" && *who.fetch_site != "none") return foreign_page();
  if (!bears_token(who)) {
    return problem{401, "token_needed",
                   "changing the gallery needs its token: send it as \"Authorization: Bearer <token>\""};
  }
  return std::nullopt;
}

bool access_policy::is_known_host(std::string_view host) const {
  if (same_ignoring_case(host, "localhost") || is_address(host)) return true;
  return std::ranges::any_of(settings_.hosts, [&](const auto& known) { return same_ignoring_case(host, known); });
}

bool access_policy::bears_token(const sender& who) const {
  if (settings_.token.empty()) return true;
  static constexpr std::string_view scheme = "bearer ";
  if (!who.authorization || who.authorization->size() < scheme.size()) return false;
  if (!same_ignoring_case(who.authorization->substr(0, scheme.size()), scheme)) return false;
  // Digests of equal length are compared, in a time that tells nothing of how much of the token was right.
  const auto given = sha256(std::as_bytes(std::span(who.authorization->substr(scheme.size()))));
  const auto expected = sha256(std::as_bytes(std::span(settings_.token)));
  return CRYPTO_memcmp(given.data(), expected.data(), expected.size()) == 0;
}

startup<std::string> read_token(const std::string& file) {
  const auto contents = read_whole(file);
  if (!contents) {
    return std::unexpected(
        startup_failure{fmt::format("cannot read the token file {}: {}", file, contents.error().message())});
  }
  const std::string_view text(reinterpret_cast<const char*>(contents->data()), contents->size());
  std::string token(text.substr(0, text.find_first_of("\r\n")));
  const bool printable = std::ranges::all_of(token, [](char each) { return each > ' ' && each < 0x7f; });
  if (!printable || token.size() < least_token_length) {
    return std::unexpected(startup_failure{
        fmt::format("the token in {} is unfit: its first line should be {} or more letters, digits and signs, such as "
                    "`openssl rand -hex 32` prints",
                    file, least_token_length)});
  }
  return token;
}

}  // namespace gallery
