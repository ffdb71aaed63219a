#include "access_policy.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <weft/net/endpoint.hpp>

#include "files.hpp"
#include "vault.hpp"

namespace gallery {
namespace {

constexpr std::size_t least_token_length = 16;

char lower(char each) { return each >= 'A' && each <= 'Z' ? static_cast<char>(each - 'A' + 'a') : each; }

bool same_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, lower, lower);
}

bool is_port(std::string_view text) {
  return text.size() <= 5 && std::ranges::all_of(text, [](char each) { return each >= '0' && each <= '9'; });
}

/// "[::1]:8080" -> "[::1]", "localhost:8080" -> "localhost". What follows the host and is no port stays: then no host
/// is known by that.
std::string_view without_port(std::string_view host) {
  const auto colon = host.find(':', host.starts_with('[') ? std::min(host.find(']'), host.size()) : 0);
  return colon != std::string_view::npos && is_port(host.substr(colon + 1)) ? host.substr(0, colon) : host;
}

/// "localhost." -> "localhost": with the dot, a name is looked up as it is and with no domain behind it.
std::string_view without_root(std::string_view name) {
  if (name.size() > 1 && name.ends_with('.')) name.remove_suffix(1);
  return name;
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

std::optional<problem> access_policy::check(const sender& who, guess_limit::time_point now) const {
  if (who.host && !is_known_host(without_port(*who.host))) {
    return problem{403, "unknown_host",
                   "the gallery is not known by the name in the Host field: use its address, or start it with --host "
                   "and that name"};
  }
  if (!who.changes_something) return std::nullopt;
  if (who.origin && !is_same_origin(*who.origin, who.host.value_or(""))) return foreign_page();
  if (who.fetch_site && *who.fetch_site != "same-origin" && *who.fetch_site != "none") return foreign_page();
  return check_token(who, now);
}

bool access_policy::is_known_host(std::string_view host) const {
  if (is_address(host)) return true;
  const auto name = without_root(host);
  if (same_ignoring_case(name, "localhost")) return true;
  return std::ranges::any_of(settings_.hosts, [&](const auto& known) { return same_ignoring_case(name, known); });
}

std::optional<problem> access_policy::check_token(const sender& who, guess_limit::time_point now) const {
  if (settings_.token.empty()) return std::nullopt;
  const problem needed{401, "token_needed",
                       "changing the gallery needs its token: send it as \"Authorization: Bearer <token>\""};
  if (!who.authorization) return needed;  // no guess
  if (const auto wait = guesses_.wait_of(who.peer, now)) {
    return problem{429, "too_many_guesses",
                   fmt::format("too many wrong tokens came from this address: try again in {} s", wait->count())};
  }
  static constexpr std::string_view scheme = "bearer ";
  const bool is_bearer = who.authorization->size() >= scheme.size() &&
                         same_ignoring_case(who.authorization->substr(0, scheme.size()), scheme);
  if (is_bearer && is_token(who.authorization->substr(scheme.size()))) {
    guesses_.right(who.peer);
    return std::nullopt;
  }
  guesses_.wrong(who.peer, now);
  return needed;
}

bool access_policy::is_token(std::string_view text) const {
  // Digests of equal length are compared, in a time that tells nothing of how much of the token was right.
  const auto given = sha256(std::as_bytes(std::span(text)));
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
