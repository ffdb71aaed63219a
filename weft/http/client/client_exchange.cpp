#include "weft/http/client/client_exchange.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "weft/task/detail/in_place.hpp"

#include "weft/http/h1/escaped_target.hpp"
#include "weft/http/h1/field_list.hpp"
#include "weft/http/h1/lenient_head.hpp"

namespace weft::http::detail {
namespace {

constexpr std::size_t largest_copied_body = 16 * 1024;
constexpr std::size_t stream_piece_bytes = 16 * 1024;
constexpr std::size_t head_read_bytes = 1024;
/// Of a response that comes before the request was sent, and that nobody can read yet. Beyond, it is left where it is.
constexpr std::size_t most_early_bytes = std::size_t{1024} * 1024;
/// 1xx responses before the one that counts.
constexpr int most_interim_responses = 20;

/// Whether a request with this method says that it has no body, instead of leaving it out.
bool announces_empty_body(method value) noexcept {
  return value == method::post || value == method::put || value == method::patch;
}

bool asks_to_continue(const header_field& field) noexcept {
  return equals_ignoring_case(field.name, "Expect") && list_has(field.value, "100-continue");
}

}  // namespace

client_exchange::client_exchange(exchange_limits limits, std::shared_ptr<connection_pool> pool, std::string host,
                                 std::unique_ptr<client_connection> connection, connection_age age) noexcept
    : limits_{limits}, pool_{std::move(pool)}, host_{std::move(host)}, connection_{std::move(connection)}, age_{age} {}

client_exchange::~client_exchange() {
  // Bytes beyond the response belong to no request: such a connection is not to be trusted.
  bool reusable = complete_ && sent_ && body_.finished() && !body_.failure() &&
                  head_.persistence == persistence::keep_alive && buffers_.input().unread().empty();
  if (!reusable) return;
  buffers_.input().unpin();
  pool_->give_back(host_, std::move(connection_));
}

result<void> client_exchange::carry_out(const client_request& request, const url& target, std::string_view user_agent) {
  asked_ = request.method;
  append_head(request, target, user_agent);
  buffers_.input().unpin();
  // The last look before the first byte: what comes before the request is no answer to it.
  stale_ = age_ == connection_age::kept && !buffers_.is_quiet();
  if (stale_) return failure(errc::closed);
  auto sent = send(request);
  if (complete_) return {};
  if (!sent && (failed_for_good_ || sent.error() == errc::cancelled || sent.error() == errc::timed_out)) return sent;
  // A server may answer, and close, before it has read all: that answer says why.
  auto answered = await_head();
  return !answered && !sent && !heard_ ? sent : answered;
}

bool client_exchange::may_be_repeated(const result<void>& outcome) const noexcept {
  if (age_ != connection_age::kept || stream_begun_) return false;
  // A server, or a proxy, that gives up an idle connection may say so first (RFC 9110, 15.5.9).
  if (outcome) return head_.status == 408 && head_.persistence == persistence::close;
  auto why = outcome.error();
  bool is_lost = why != errc::cancelled && why != errc::timed_out && why != errc::malformed && why != errc::too_large;
  return is_lost && !heard_ && !failed_for_good_;
}

// ---- The request

void client_exchange::append_head(const client_request& request, const url& target, std::string_view user_agent) {
  auto& out = buffers_.out();
  out.append(to_string(request.method));
  out.append(" ");
  if (is_escaped_target(target.target)) {
    out.append(target.target);
  } else {
    out.append(escaped_target(target.target));
  }
  out.append(" HTTP/1.1\r\nHost: ");
  out.append(target.host_field());
  if (!user_agent.empty() && !find_field(request.headers, "user-agent")) {
    out.append("\r\nUser-Agent: ");
    out.append(user_agent);
  }
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

result<void> client_exchange::send(const client_request& request) {
  const bool has_body = request.stream || !request.body.empty();
  if (has_body && std::ranges::any_of(request.headers, asks_to_continue)) {
    if (auto waited = await_continue(); !waited || complete_) return waited;
  }
  if (request.stream) return send_stream(request);
  if (!request.body.empty()) return send_body(request.body);
  auto sent = buffers_.send();
  sent_ = sent.has_value();
  return sent;
}

result<void> client_exchange::send_body(std::string_view body) {
  auto& out = buffers_.out();
  auto copied = body.substr(0, largest_copied_body);  // so that a small body goes out with the head
  out.append(copied);
  if (copied.size() == body.size()) {
    auto sent = buffers_.send();  // as much as any connection takes at once
    sent_ = sent.has_value();
    return sent;
  }
  if (auto sent = buffers_.send(); !sent) return sent;
  auto sent = send_listening(std::as_bytes(std::span{body.substr(copied.size())}));
  sent_ = sent && !stopped_;
  return sent;
}

result<void> client_exchange::send_stream(const client_request& request) {
  if (auto sent = buffers_.send(); !sent) return sent;  // the source may take its time
  const bool chunked = !request.stream_bytes;
  constexpr std::size_t size_line_bytes = 6;  // "4000\r\n"
  constexpr std::string_view line_end = "\r\n", last_chunk = "0\r\n\r\n";
  auto left = request.stream_bytes.value_or(UINT64_MAX);
  auto piece =
      std::make_unique_for_overwrite<std::array<char, size_line_bytes + stream_piece_bytes + line_end.size()>>();
  auto room = std::span{*piece}.subspan(size_line_bytes, stream_piece_bytes);
  stream_begun_ = true;
  while (left > 0) {
    auto given = request.stream(std::as_writable_bytes(room.first(std::min<std::uint64_t>(left, room.size()))));
    failed_for_good_ = !given || (*given == 0 && !chunked);  // less than was announced
    if (failed_for_good_) return std::unexpected{given ? make_error_code(errc::end_of_stream) : given.error()};
    if (*given == 0) break;
    left -= *given;
    auto bytes = room.first(*given);
    if (chunked) {
      std::array<char, size_line_bytes> line{};
      auto* end = std::ranges::copy(line_end, std::to_chars(line.data(), line.data() + 4, *given, 16).ptr).out;
      auto size = static_cast<std::size_t>(end - line.data());
      std::ranges::copy(line.data(), end, room.data() - size);
      std::ranges::copy(line_end, room.data() + *given);
      bytes = {room.data() - size, size + *given + line_end.size()};
    }
    if (auto sent = send_listening(std::as_bytes(bytes)); !sent) return sent;
    if (stopped_ || (left > 0 && wants_no_more())) return {};
  }
  auto sent = chunked ? send_listening(std::as_bytes(std::span{last_chunk})) : result<void>{};
  sent_ = sent && !stopped_;
  return sent;
}

/// Sends `from`, unless an answer comes that wants no more of it.
result<void> client_exchange::send_listening(std::span<const std::byte> from) {
  while (!from.empty() && !wants_no_more()) {
    auto sent = buffers_.send_or_receive(from, most_early_bytes);
    if (!sent) return std::unexpected{sent.error()};
    from = from.subspan(*sent);
    if (*sent > 0) continue;
    auto parsed = try_parse_head();
    failed_for_good_ = !parsed;
    if (!parsed) return parsed;
  }
  stopped_ = !from.empty();
  return {};
}

/// Whether the answer that has come ends the sending: a refusal, or all of an answer. Of others the body may depend on
/// what is yet to be sent.
bool client_exchange::wants_no_more() noexcept {
  if (!complete_) return false;
  if (head_.status >= 300 || head_.framing == framing::none) return true;
  return head_.framing == framing::length && buffers_.input().unread().size() >= head_.content_length;
}

/// Sends the head, and waits until the server wants the body, or has an answer without, or seems to know nothing of
/// expectations.
result<void> client_exchange::await_continue() {
  if (auto sent = buffers_.send(); !sent) return sent;
  const auto until = deadline_after(limits_.continue_timeout);
  for (;;) {
    auto parsed = try_parse_head();
    failed_for_good_ = !parsed;
    if (!parsed || complete_ || may_continue_) return parsed;
    auto more = buffers_.receive_more(head_read_bytes, until);
    if (!more && more.error() == errc::timed_out && until <= now()) return {};
    if (!more) return more;
  }
}

// ---- The response

result<void> client_exchange::await_head() {
  for (;;) {
    auto parsed = try_parse_head();
    if (!parsed || complete_) return parsed;
    if (auto more = buffers_.receive_more(head_read_bytes, no_deadline); !more) return more;
  }
}

/// Takes the heads that have arrived, up to the final one.
result<void> client_exchange::try_parse_head() {
  auto& input = buffers_.input();
  while (!complete_) {
    auto text = input.unread();
    if (!text.empty()) heard_ = true;
    auto verdict = scanner_.scan(text.substr(0, limits_.max_header_bytes));
    if (verdict == head_scanner::verdict::incomplete) {
      return text.size() >= limits_.max_header_bytes ? failure(errc::too_large) : result<void>{};
    }
    if (verdict != head_scanner::verdict::complete) return failure(errc::malformed);
    input.consume(scanner_.head_bytes());
    if (auto done = understand_head(text.substr(0, scanner_.head_bytes())); !done) return done;
    scanner_ = head_scanner{head_scanner::folds::accepted};
  }
  return {};
}

result<void> client_exchange::understand_head(std::string_view text) {
  if (auto amended = amended_head(text)) text = amended_ = std::move(*amended);
  const head_limits limits{.max_header_fields = limits_.max_header_fields};
  if (!parse_response_head(text, asked_, limits, head_) || head_.status < 100 || head_.status == 101) {
    return failure(errc::malformed);
  }
  if (head_.status < 200) {
    may_continue_ |= head_.status == 100;
    return ++interim_responses_ > most_interim_responses ? failure(errc::malformed) : result<void>{};
  }
  buffers_.input().pin();
  body_.begin(head_, {.max_body_bytes = limits_.max_body_bytes,
                      .max_line_bytes = limits_.max_header_bytes,
                      .max_trailer_bytes = limits_.max_header_bytes,
                      .max_trailer_fields = limits_.max_header_fields,
                      .trailer_folds = folded_lines::accepted});
  complete_ = true;
  return {};
}

result<std::size_t> client_exchange::receive_body(std::span<std::byte> into) {
  weft::detail::in_place waits;
  return buffers_.receive(into, deadline_after(limits_.body_idle_timeout));
}

result<std::size_t> client_exchange::try_receive_body(std::span<std::byte> into) { return buffers_.try_receive(into); }

}  // namespace weft::http::detail
