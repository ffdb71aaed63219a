#include "http/client_exchange.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "http/head_scanner.hpp"

namespace weft::http::detail {
namespace {

constexpr std::size_t largest_copied_body = 16 * 1024;
constexpr std::size_t stream_piece_bytes = 16 * 1024;
constexpr std::size_t head_read_bytes = 1024;
/// 1xx responses before the one that counts.
constexpr int most_interim_responses = 20;

/// Whether a request with this method says that it has no body, instead of leaving it out.
bool announces_empty_body(method value) noexcept {
  return value == method::post || value == method::put || value == method::patch;
}

}  // namespace

client_exchange::client_exchange(exchange_limits limits, std::shared_ptr<connection_pool> pool, std::string host,
                                 std::unique_ptr<client_connection> connection) noexcept
    : limits_{limits}, pool_{std::move(pool)}, host_{std::move(host)}, connection_{std::move(connection)} {}

client_exchange::~client_exchange() {
  // Bytes beyond the response belong to no request: such a connection is not to be trusted.
  bool reusable = complete_ && sent_ && body_.finished() && !body_.failure() &&
                  head_.persistence == persistence::keep_alive && line_.input().unread().empty();
  if (!reusable) return;
  line_.input().unpin();
  pool_->give_back(host_, std::move(connection_));
}

result<void> client_exchange::carry_out(const client_request& request, const url& target) {
  auto sent = send(request, target);
  sent_ = sent.has_value();
  bool interrupted = !sent && (sent.error() == errc::cancelled || sent.error() == errc::timed_out);
  if (interrupted || stream_failed_) return sent;
  // A server may answer, and close, before it has read all: that answer says why.
  auto answered = await_head(request.method);
  complete_ = answered.has_value();
  return !answered && !sent && !heard_ ? sent : answered;
}

// ---- The request ----

result<void> client_exchange::send(const client_request& request, const url& target) {
  append_head(request, target);
  if (request.stream) return send_stream(request);
  if (request.body.size() > largest_copied_body) {
    auto body = std::as_bytes(std::span{request.body});
    return line_.send({&body, 1});
  }
  line_.out().append(request.body);
  return line_.send();
}

void client_exchange::append_head(const client_request& request, const url& target) {
  auto& out = line_.out();
  out.append(to_string(request.method));
  out.append(" ");
  out.append(target.target);
  out.append(" HTTP/1.1\r\nHost: ");
  out.append(target.host_field());
  for (const auto& [name, value] : request.headers) {
    out.append("\r\n");
    out.append(name);
    out.append(": ");
    out.append(value);
  }
  if (request.stream && !request.stream_bytes) {
    out.append("\r\nTransfer-Encoding: chunked");
  } else if (request.stream || !request.body.empty() || announces_empty_body(request.method)) {
    out.append("\r\nContent-Length: ");
    out.append_number(request.stream ? *request.stream_bytes : request.body.size());
  }
  out.append("\r\n\r\n");
}

result<void> client_exchange::send_stream(const client_request& request) {
  const bool chunked = !request.stream_bytes;
  auto left = request.stream_bytes.value_or(UINT64_MAX);
  auto piece = std::make_unique_for_overwrite<std::array<std::byte, stream_piece_bytes>>();
  stream_begun_ = true;
  while (left > 0) {
    auto given = request.stream(std::span{*piece}.first(std::min<std::uint64_t>(left, piece->size())));
    stream_failed_ = !given || (*given == 0 && !chunked);  // less than was announced
    if (stream_failed_) return std::unexpected{given ? make_error_code(errc::end_of_stream) : given.error()};
    if (*given == 0) break;
    left -= *given;
    if (chunked) {
      std::array<char, 16> size{};
      auto* end = std::to_chars(size.data(), size.data() + size.size(), *given, 16).ptr;
      line_.out().append({size.data(), end});
      line_.out().append("\r\n");
    }
    std::array<std::span<const std::byte>, 2> pieces{std::span{*piece}.first(*given),
                                                     std::as_bytes(std::span{"\r\n", chunked ? 2u : 0u})};
    if (auto sent = line_.send(pieces); !sent) return sent;
  }
  if (chunked) line_.out().append("0\r\n\r\n");
  return line_.send();
}

// ---- The response ----

result<void> client_exchange::await_head(http::method asked) {
  for (int interim = 0; interim <= most_interim_responses; ++interim) {
    auto text = receive_head();
    if (!text) return std::unexpected{text.error()};
    const head_limits limits{.max_header_fields = limits_.max_header_fields};
    if (!parse_response_head(*text, asked, limits, head_) || head_.status < 100 || head_.status == 101) {
      return failure(errc::malformed);
    }
    if (head_.status >= 200) {
      body_.begin(head_, limits_.max_body_bytes, limits_.max_header_bytes);
      return {};
    }
  }
  return failure(errc::malformed);
}

result<std::string_view> client_exchange::receive_head() {
  auto& input = line_.input();
  input.unpin();
  head_scanner scanner;
  for (;;) {
    auto text = input.unread();
    if (!text.empty()) heard_ = true;
    auto verdict = scanner.scan(text.substr(0, limits_.max_header_bytes));
    if (verdict == head_scanner::verdict::complete) {
      input.consume(scanner.head_bytes());
      input.pin();
      return text.substr(0, scanner.head_bytes());
    }
    if (verdict != head_scanner::verdict::incomplete) return failure(errc::malformed);
    if (text.size() >= limits_.max_header_bytes) return failure(errc::too_large);
    if (auto more = line_.receive_more(head_read_bytes, no_deadline); !more) return std::unexpected{more.error()};
  }
}

result<std::size_t> client_exchange::receive_body(std::span<std::byte> into) {
  return line_.receive(into, deadline_after(limits_.body_idle_timeout));
}

}  // namespace weft::http::detail
