#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <weft/http/header_field.hpp>
#include <weft/http/method.hpp>

#include "weft/http/h1/rejection.hpp"

namespace weft::http::detail {

/// How the receiver knows where a body ends (RFC 9112, 6.3).
enum class framing : std::uint8_t { none, length, chunked, until_close };

/// Whether the sender keeps the connection open after this message.
enum class persistence : std::uint8_t { keep_alive, close };

/// What requests and responses have in common. Views into the text that it was parsed from.
struct message_head {
  int version = 11;
  http::detail::framing framing = framing::none;
  http::detail::persistence persistence = persistence::close;
  std::uint64_t content_length = 0;
  std::vector<header_field> fields;  // reused from message to message
};

struct request_head : message_head {
  http::method method = http::method::unknown;
  std::string_view method_name;
  std::string_view target;
  std::string_view host;
  bool expects_continue = false;
};

struct response_head : message_head {
  unsigned status = 0;
};

struct head_limits {
  std::size_t max_target_bytes = SIZE_MAX;
  std::size_t max_header_fields = SIZE_MAX;
};

/// Parses `text`, a whole head with its empty line. Stricter than the grammar where two programs may disagree about
/// where the message ends: see the source.
[[nodiscard]] std::optional<rejection> parse_request_head(std::string_view text, const head_limits& limits,
                                                          request_head& into);

/// `asked` decides whether a body follows: none does when it was HEAD. False when the head is malformed.
[[nodiscard]] bool parse_response_head(std::string_view text, http::method asked, const head_limits& limits,
                                       response_head& into);

}  // namespace weft::http::detail
