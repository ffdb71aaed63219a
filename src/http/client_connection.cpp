#include "http/client_connection.hpp"

#include <array>

#include <weft/base/check.hpp>

#include "http/client_pool.hpp"
#include "http/head_scanner.hpp"
#include "http/text.hpp"

namespace weft::http::detail {
namespace {

constexpr auto send_timeout = std::chrono::seconds{30};
constexpr std::size_t read_bytes = 4096;

}  // namespace

client_connection::client_connection(client_pool& pool, const url& where, tcp_stream stream)
    : pool_{pool},
      key_{where.host_field()},
      host_field_{where.host_field()},
      stream_{std::move(stream)},
      wire_{stream_, send_timeout},
      body_{*this, wire_.input()} {}

result<void> client_connection::exchange(const client_request& request, std::string_view target) {
  complete_ = answer_began_ = false;
  wire_.input().unpin();
  if (auto sent = send_request(request, target); !sent) return sent;
  return receive_head(request.method);
}

result<void> client_connection::send_request(const client_request& request, std::string_view target) {
  auto& out = wire_.out();
  for (auto piece : {to_string(request.method), std::string_view{" "}, target, std::string_view{" HTTP/1.1\r\nHost: "},
                     std::string_view{host_field_}, std::string_view{"\r\n"}}) {
    out.append(piece);
  }
  for (const auto& field : request.headers) {
    WEFT_CHECK(is_token(field.name) && is_field_value(field.value),
               "a header field's name is a word, and its value has no line break");
    for (auto piece : {field.name, std::string_view{": "}, field.value, std::string_view{"\r\n"}}) out.append(piece);
  }
  if (request.stream) {
    out.append("Transfer-Encoding: chunked\r\n\r\n");
    return send_stream(request);
  }
  bool has_body = !request.body.empty() || request.method == method::post || request.method == method::put;
  if (has_body) {
    out.append("Content-Length: ");
    out.append_number(request.body.size());
    out.append("\r\n");
  }
  out.append("\r\n");
  std::array<std::span<const std::byte>, 1> body{std::as_bytes(std::span{request.body})};
  return wire_.send(body);
}

result<void> client_connection::send_stream(const client_request& request) {
  std::array<std::byte, 16 * 1024> piece;
  for (;;) {
    auto bytes = request.stream(piece);
    if (!bytes) return std::unexpected{bytes.error()};
    std::array<char, 20> digits;
    auto end = std::to_chars(digits.data(), digits.data() + digits.size(), *bytes, 16).ptr;
    wire_.out().append({digits.data(), static_cast<std::size_t>(end - digits.data())});
    wire_.out().append("\r\n");
    wire_.out().append({reinterpret_cast<const char*>(piece.data()), *bytes});
    wire_.out().append("\r\n");
    if (auto sent = wire_.send(); !sent || *bytes == 0) return sent;
  }
}

result<void> client_connection::receive_head(http::method asked) {
  auto& limits = pool_.options;
  for (;;) {
    head_scanner scanner;
    auto verdict = head_scanner::verdict::incomplete;
    while ((verdict = scanner.scan(wire_.input().unread())) == head_scanner::verdict::incomplete) {
      if (wire_.input().unread().size() >= limits.max_header_bytes) return weft::failure(errc::too_large);
      if (auto more = wire_.receive_more(read_bytes, no_deadline); !more) return more;
      answer_began_ = true;
    }
    auto bytes = scanner.head_bytes();
    if (verdict != head_scanner::verdict::complete) return weft::failure(errc::malformed);
    if (bytes > limits.max_header_bytes) return weft::failure(errc::too_large);
    auto text = wire_.input().unread().substr(0, bytes);
    if (!parse_response_head(text, asked, {.max_header_fields = limits.max_header_fields}, head_)) {
      return weft::failure(errc::malformed);
    }
    wire_.input().consume(bytes);
    if (head_.status >= 200) break;  // interim answers say nothing that is waited for here
  }
  wire_.input().pin();
  body_.begin(head_, limits.max_body_bytes, limits.max_header_bytes);
  complete_ = true;
  return {};
}

result<std::size_t> client_connection::receive_body(std::span<std::byte> into) {
  return wire_.receive(into, no_deadline);
}

}  // namespace weft::http::detail
