#include "weft/http/server/server_connection.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <exception>

#include <weft/http/error.hpp>
#include <weft/task/accounting_scope.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/detail/task_base.hpp>

#include "weft/http/h1/head_scanner.hpp"
#include "weft/http/h1/request_target.hpp"
#include "weft/http/h1/text.hpp"

namespace weft::http::detail {
namespace {

constexpr std::size_t head_read_bytes = 1024;  // at least; there is most often more room

constexpr rejection malformed_head{
    status::bad_request,
    "The request is malformed: each line of its header ends with CR LF and begins with a "
    "field's name."};

/// `from` and `by`; no_deadline when that is beyond what the clock can hold.
time_point later(time_point from, duration by) noexcept { return by > no_deadline - from ? no_deadline : from + by; }

rejection rejection_of_body(const framed_body& body) noexcept {
  auto why = body.failure();
  if (why == errc::too_large && body.trailer_is_too_large()) {
    return {status::request_header_fields_too_large, "The body's trailer is too large: send fewer or shorter fields."};
  }
  if (why == errc::too_large) {
    return {status::payload_too_large, "The body is larger than is accepted here: send less."};
  }
  if (why == errc::timed_out) {
    return {status::request_timeout, "The body came too slowly: send it again over a faster connection."};
  }
  return {status::bad_request, "The body's chunked coding is malformed: send each chunk as size CRLF data CRLF."};
}

/// The method of a request whose head was refused, as far as an answer depends on it: HEAD gets no body.
method asked_by(std::string_view text) noexcept { return text.starts_with("HEAD ") ? method::head : method::get; }

}  // namespace

server_connection::server_connection(byte_stream& stream, server_core& core, std::string_view peer)
    : core_{core}, peer_{peer}, live_{stream}, buffers_{stream, core.options.send_timeout} {
  core_.connections.add(live_);
}

server_connection::~server_connection() { core_.connections.remove(live_); }

void server_connection::run() {
  while (serve_one() == next::request) {}
  finish();
}

void server_connection::reject_unread(const rejection& why) {
  reject(why, {});
  finish();
}

void server_connection::finish() {
  const auto& options = core_.options;
  buffers_.finish(
      {.time = options.linger_timeout, .idle = options.linger_idle_timeout, .bytes = options.max_lingering_bytes});
  buffers_.close();
}

server_connection::next server_connection::serve_one() {
  buffers_.input().unpin();
  memory_.release();
  auto text = await_head();
  if (!text) {
    if (text.error()) reject(*text.error(), buffers_.input().unread());
    return next::close;
  }
  const head_limits limits{.max_target_bytes = core_.options.max_target_bytes,
                           .max_header_fields = core_.options.max_header_fields};
  if (auto rejected = parse_request_head(*text, limits, head_)) {
    reject(*rejected, *text);
    return next::close;
  }
  ++requests_;
  dispatch();
  return settle();
}

// ---- The head ----

std::expected<std::string_view, std::optional<rejection>> server_connection::await_head() {
  constexpr auto silence = std::unexpected{std::optional<rejection>{}};
  auto& input = buffers_.input();
  if (input.unread().empty() && !await_first_bytes()) return silence;
  head_scanner scanner;
  bool blank_line_skipped = false;
  auto deadline = requests_ == 0 ? later(started_, core_.options.header_timeout) : no_deadline;
  for (;;) {
    auto text = input.unread();
    if (!blank_line_skipped && text.starts_with("\r\n")) {  // RFC 9112, 2.2: some clients send one after a body
      input.consume(2);
      blank_line_skipped = true;
      scanner = {};
      continue;
    }
    if (!text.empty() && text.front() != '\r' && !is_token_character(text.front())) {
      return std::unexpected{malformed_head};
    }
    auto verdict = scanner.scan(text.substr(0, core_.options.max_header_bytes));
    if (verdict == head_scanner::verdict::complete) {
      input.consume(scanner.head_bytes());
      input.pin();
      return text.substr(0, scanner.head_bytes());
    }
    if (verdict != head_scanner::verdict::incomplete) return std::unexpected{malformed_head};
    if (auto rejected = check_incomplete(text, scanner)) return std::unexpected{rejected};
    if (deadline == no_deadline) deadline = deadline_after(core_.options.header_timeout);
    if (auto more = buffers_.receive_more(head_read_bytes, deadline); !more) {
      if (more.error() != errc::timed_out || input.unread().empty()) return silence;
      return std::unexpected{rejection{status::request_timeout, "The header came too slowly: send it in one piece."}};
    }
  }
}

bool server_connection::await_first_bytes() {
  const auto& options = core_.options;
  // What is held back may concern a client that waits for it, even when the server stops.
  if (!buffers_.send() || !live_.become_idle(core_.stopping)) return false;
  auto deadline = requests_ == 0 ? later(started_, options.header_timeout) : deadline_after(options.idle_timeout);
  auto received = buffers_.receive_more(head_read_bytes, deadline);
  return live_.become_busy() && received;
}

std::optional<rejection> server_connection::check_incomplete(std::string_view text, const head_scanner& scanner) const {
  const auto& options = core_.options;
  if (!scanner.first_line_complete() && text.size() > options.max_target_bytes) {
    auto target = text.substr(std::min(text.find(' '), text.size() - 1) + 1);
    if (target.size() > options.max_target_bytes && target.find(' ') > options.max_target_bytes) {
      return rejection{status::uri_too_long, "The request target is too long: put what does not fit into the body."};
    }
  }
  if (text.size() < options.max_header_bytes) return std::nullopt;
  return rejection{status::request_header_fields_too_large, "The header is too large: send fewer or shorter fields."};
}

void server_connection::reject(const rejection& why, std::string_view head) {
  observed_request observed;
  if (core_.options.observer) observed.started = now();
  writer_.begin(asked_by(head), 11);
  writer_.set_close();
  writer_.send_error(why.status, {}, why.message);
  if (core_.options.observer) {
    observed.finished = now();
    observed.status = why.status;
    observed.body_bytes = writer_.body_bytes();
    core_.options.observer->on_end(observed);
  }
}

// ---- The answer ----

void server_connection::dispatch() {
  request asked;
  observed_request observed{.request = &asked};
  auto* observer = core_.options.observer;
  std::optional<accounting_scope> charged;
  if (observer) {
    observed.started = now();
    charged.emplace(observed.waits);
  }
  writer_.begin(head_.method, head_.version);
  if (auto rejected = fill_request(asked)) {
    if (observer) observer->on_start(observed);
    body_.begin(head_, body_limits(core_.options.max_body_bytes));
    // What follows may be bytes for the tunnel that it wanted, sent without waiting: no requests.
    if (head_.method == method::connect) writer_.set_close();
    writer_.send_error(rejected->status, {}, rejected->message);
  } else {
    answer(asked, observed);
  }
  complete_answer();
  if (!observer) return;
  accounting_scope::bring_up_to_date();
  observed.finished = now();
  observed.status = writer_.answered() ? writer_.status() : client_closed_request;
  observed.body_bytes = writer_.body_bytes();
  observer->on_end(observed);
}

std::optional<rejection> server_connection::fill_request(request& asked) {
  asked.method_ = head_.method;
  asked.method_name_ = head_.method_name;
  asked.version_ = head_.version;
  asked.target_ = head_.target;
  asked.host_ = head_.host;
  asked.peer_ = peer_;
  asked.headers_ = head_.fields;
  asked.body_ = &body_;
  asked.memory_ = &memory_;
  continue_awaited_ = head_.expects_continue && head_.framing != framing::none;
  body_waited_ = {};
  body_received_ = 0;
  auto target = parse_request_target(head_.method, head_.target, memory_);
  if (!target) return target.error();
  asked.path_ = target->path;
  asked.query_ = target->query;
  if (!target->authority.empty()) overrule_host(target->authority, asked);
  asked.match_ = core_.routes.match(head_.method, target->path);
  return std::nullopt;
}

/// RFC 9112, 3.2.2: the authority of an absolute target counts, and the Host field does not.
void server_connection::overrule_host(std::string_view authority, request& asked) {
  asked.host_ = authority;
  for (auto& field : head_.fields) {
    if (equals_ignoring_case(field.name, "Host")) field.value = authority;
  }
}

chunked_limits server_connection::body_limits(std::uint64_t max_body_bytes) const noexcept {
  const auto& options = core_.options;
  return {.max_body_bytes = max_body_bytes,
          .max_line_bytes = options.max_header_bytes,
          .max_trailer_bytes = options.max_header_bytes,
          .max_trailer_fields = options.max_header_fields};
}

void server_connection::answer(request& asked, observed_request& observed) {
  const auto* route = asked.match_.route;
  auto limit = route ? route->options.max_body_bytes : std::nullopt;
  body_.begin(head_, body_limits(limit.value_or(core_.options.max_body_bytes)));
  observed.route = route;
  if (core_.options.observer) core_.options.observer->on_start(observed);
  if (body_.failure()) return;  // its length says that it is too large: complete_answer() tells

  response answer{writer_};
  run_handlers(asked, answer);
}

void server_connection::run_handlers(request& asked, response& answer) {
  const auto* route = asked.match_.route;
  if (route) {
    for (const auto& guard : core_.routes.guards()) {
      call(guard, asked, answer);
      if (writer_.answered() || body_.failure()) return;
    }
    call(route->handler, asked, answer);
  } else if (core_.routes.fallback()) {
    call(core_.routes.fallback(), asked, answer);
  } else {
    answer_unmatched(asked.match_.allowed);
  }
}

void server_connection::call(const handler& handle, request& asked, response& answer) {
  try {
    handle(asked, answer);
  } catch (const error& thrown) {
    if (writer_.answered()) return writer_.abandon();
    writer_.begin(head_.method, head_.version);  // forgets what the handler had prepared
    writer_.send_error(thrown.status(), thrown.code(), thrown.what());
  } catch (...) {
    if (core_.options.on_exception) core_.options.on_exception(asked, std::current_exception());
    if (writer_.answered()) return writer_.abandon();
    writer_.begin(head_.method, head_.version);
    writer_.send_error(status::internal_server_error, {},
                       "The server failed to answer this request; it is not the request's fault. Try again later.");
  }
}

void server_connection::answer_unmatched(std::string_view allowed) {
  if (head_.method == method::unknown) {
    return writer_.send_error(status::not_implemented, {},
                              "This method is not known here: use GET, HEAD, POST, PUT, "
                              "PATCH, DELETE or OPTIONS.");
  }
  if (!allowed.empty()) writer_.add_field("Allow", allowed);
  if (head_.method == method::options && (!allowed.empty() || head_.target == "*")) {
    writer_.set_status(status::no_content);
    return writer_.send_whole({}, {});
  }
  if (allowed.empty()) {
    return writer_.send_error(status::not_found, {}, "Nothing is served at this path: check its spelling.");
  }
  writer_.send_error(status::method_not_allowed, {},
                     "This path does not take this method: use one of those that the Allow field names.");
}

void server_connection::complete_answer() {
  if (body_.failure() && !writer_.answered()) {
    bool hung_up =
        body_.failure() != errc::too_large && body_.failure() != errc::timed_out && body_.failure() != errc::malformed;
    if (hung_up) return;
    auto why = rejection_of_body(body_);
    return writer_.send_error(why.status, {}, why.message);
  }
  writer_.finish();
}

// ---- Between requests ----

server_connection::next server_connection::settle() {
  if (writer_.broken() || !writer_.answered() || writer_.persistence() == persistence::close) return next::close;
  // At once: nobody knows how long the next request's handler takes.
  if (!buffers_.send() || !drain_body()) return next::close;
  return next::request;
}

/// Reads and drops what is left of the body; false when that is too much, or it cannot be had.
bool server_connection::drain_body() {
  std::array<std::byte, 4096> dropped;
  std::uint64_t bytes = 0;
  while (!body_.finished()) {
    auto received = body_.read(dropped);
    if (!received) return false;
    bytes += *received;
    if (bytes > core_.options.max_drained_bytes) return false;
  }
  return true;
}

/// Whether drain_body() will succeed, as far as it depends on the body; for a chunked one only trying tells.
bool server_connection::can_drain_body(answer_form form) {
  if (body_.finished()) return true;
  // A client that waits for 100 Continue may send the body nevertheless, or may not: nobody can tell what comes next.
  if (body_.failure() || continue_awaited_) return false;
  if (body_.framing() != framing::chunked) return body_.remaining() <= core_.options.max_drained_bytes;
  if (form == answer_form::streamed) return false;  // the handler may still read it
  deadline_scope patience{core_.options.unread_body_timeout};
  return drain_body();
}

http::detail::persistence server_connection::persistence(answer_form form) {
  const auto& options = core_.options;
  bool last = options.max_requests_per_connection != 0 && requests_ >= options.max_requests_per_connection;
  // Bytes behind an unfinished body may be the body's: nobody can tell yet whether a request follows.
  if (options.kept == keep_alive::pipelined && (!body_.finished() || buffers_.input().unread().empty())) last = true;
  // relaxed: when it is seen late, await_first_bytes() sees it
  if (last || core_.stopping.load(std::memory_order_relaxed)) return persistence::close;
  if (head_.persistence == persistence::close || !can_drain_body(form)) return persistence::close;
  return persistence::keep_alive;
}

result<void> server_connection::send(std::span<const std::span<const std::byte>> pieces) {
  return buffers_.send(pieces);
}

std::string_view server_connection::date() noexcept {
  // Not system_clock::now(): whole seconds are had for a tenth of the time.
  return date_.at(std::chrono::system_clock::from_time_t(std::time(nullptr)));
}

result<std::size_t> server_connection::receive_body(std::span<std::byte> into) {
  if (continue_awaited_ && !writer_.answered()) buffers_.out().append("HTTP/1.1 100 Continue\r\n\r\n");
  continue_awaited_ = false;
  if (auto sent = writer_.streaming() ? writer_.flush() : buffers_.send(); !sent) return std::unexpected{sent.error()};
  auto began = now();
  auto received = buffers_.receive(into, body_deadline(began));
  body_waited_ += now() - began;
  if (received) body_received_ += *received;
  return received;
}

time_point server_connection::body_deadline(time_point from) const noexcept {
  const auto& options = core_.options;
  auto idle = later(from, options.body_idle_timeout);
  if (options.min_body_bytes_per_second == 0) return idle;
  auto earned = std::chrono::seconds{body_received_ / options.min_body_bytes_per_second};
  return std::min(idle, later(later(from, options.body_grace), earned - body_waited_));
}

}  // namespace weft::http::detail
