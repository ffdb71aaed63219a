#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guess_limit.hpp"
#include "problem.hpp"

namespace gallery {

/// What a request tells of who sends it. Empty optionals are fields that it does not have.
struct sender {
  bool changes_something = false;             ///< it would add or delete photos
  std::string_view peer = {};                 ///< its address
  std::optional<std::string_view> host = {};  ///< none: HTTP/1.0, which no browser speaks
  std::optional<std::string_view> origin = {};
  std::optional<std::string_view> fetch_site = {};  ///< Sec-Fetch-Site
  std::optional<std::string_view> authorization = {};
};

/// Who may do what.
///
/// The host that the client means must be an address, localhost or one of `hosts`: a page whose name was pointed at
/// this machine (DNS rebinding) names its own. What changes something must not come from another page: browsers say
/// where a request comes from. It must bear the token, where there is one; guesses of that are slowed down.
/// Thread: any.
class access_policy {
 public:
  struct settings {
    std::vector<std::string> hosts = {};  ///< by which names, without port, the gallery is known
    std::string token = {};               ///< empty: none is needed
  };
  explicit access_policy(settings wanted);

  /// Why the request is refused; nothing if it is not.
  [[nodiscard]] std::optional<problem> check(const sender& who, guess_limit::time_point now) const;

 private:
  [[nodiscard]] bool is_known_host(std::string_view host) const;
  [[nodiscard]] std::optional<problem> check_token(const sender& who, guess_limit::time_point now) const;
  [[nodiscard]] bool is_token(std::string_view given) const;

  settings settings_;
  mutable guess_limit guesses_;
};

/// Reads a token: the first line of a file, 16 characters or more that a header can carry.
[[nodiscard]] startup<std::string> read_token(const std::string& file);

}  // namespace gallery
