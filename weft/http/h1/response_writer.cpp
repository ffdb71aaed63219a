#include "weft/http/h1/response_writer.hpp"

#include <array>
#include <cstring>
#include <stdexcept>
#include <string>

#include <weft/base/check.hpp>

#include "weft/http/h1/text.hpp"

namespace weft::http::detail {
namespace {

/// Larger pieces are sent from where they are, smaller ones are copied behind what is pending.
constexpr std::size_t largest_copied_piece = 16 * 1024;
/// What is pending is sent when it has grown to this.
constexpr std::size_t pending_bytes = 32 * 1024;

/// A chunk that is being filled has room for its size: four digits, as no such chunk gets to 64 KiB.
constexpr std::string_view chunk_placeholder = "0000\r\n";
static_assert(largest_copied_piece + pending_bytes < 0x10000);

std::string_view status_line(http::status value) noexcept {
  switch (value) {
    case status::ok: return "HTTP/1.1 200 OK\r\n";
    case status::created: return "HTTP/1.1 201 Created\r\n";
    case status::not_found: return "HTTP/1.1 404 Not Found\r\n";
    default: return {};
  }
}

bool is_servers_job(std::string_view name) noexcept {
  for (std::string_view reserved : {"content-length", "transfer-encoding", "connection", "date"}) {
    if (equals_ignoring_case(name, reserved)) return true;
  }
  return false;
}

}  // namespace

void response_writer::begin(http::method asked, int version) noexcept {
  fields_.clear();
  state_ = state::open;
  status_ = status::ok;
  framing_ = framing::chunked;
  persistence_ = persistence::keep_alive;
  is_head_ = asked == method::head;
  body_allowed_ = true;
  version_ = version;
  length_ = 0;
  body_bytes_ = 0;
  chunk_begin_.reset();
}

void response_writer::add_field(std::string_view name, std::string_view value) {
  WEFT_CHECK(state_ == state::open, "add header fields before the answer begins");
  if (!is_token(name) || !is_field_value(value)) {
    throw std::invalid_argument{"a header field's name or value has characters that would break out of its line"};
  }
  if (is_servers_job(name)) {
    throw std::invalid_argument{"Content-Length, Transfer-Encoding, Connection and Date are written by the server"};
  }
  fields_.append(name);
  fields_.append(": ");
  fields_.append(value);
  fields_.append("\r\n");
}

void response_writer::set_status(http::status value) {
  WEFT_CHECK(state_ == state::open, "set the status before the answer begins");
  if (to_number(value) < 200 || to_number(value) > 599) throw std::invalid_argument{"a final status is 200 to 599"};
  status_ = value;
}

void response_writer::set_length(std::uint64_t bytes) {
  WEFT_CHECK(state_ == state::open, "set the length before the answer begins");
  length_ = bytes;
  framing_ = framing::length;
}

void response_writer::append_head(std::string_view content_type, answer_form form) {
  // First, as it may wait and may fail.
  if (persistence_ == persistence::keep_alive) persistence_ = sink_.persistence(form);
  if (status_ == status::reset_content) set_length(0);  // RFC 9110, 15.3.6
  body_allowed_ = !is_head_ && !is_bodiless(status_) && status_ != status::reset_content;
  if (auto line = status_line(status_); !line.empty()) {
    out_.append(line);
  } else {
    out_.append("HTTP/1.1 ");
    out_.append_number(to_number(status_));
    out_.append(" ");
    out_.append(reason(status_));
    out_.append("\r\n");
  }
  out_.append("Date: ");
  out_.append(sink_.date());
  if (!content_type.empty()) {
    out_.append("\r\nContent-Type: ");
    out_.append(content_type);
  }
  append_framing();
  if (persistence_ == persistence::close) {
    out_.append("\r\nConnection: close");
  } else if (version_ < 11) {
    out_.append("\r\nConnection: keep-alive");
  }
  out_.append("\r\n");
  if (!fields_.empty()) out_.append(fields_.text());
  out_.append("\r\n");
}

void response_writer::append_framing() {
  if (is_bodiless(status_)) return;
  if (framing_ == framing::length) {
    out_.append("\r\nContent-Length: ");
    out_.append_number(length_);
  } else if (version_ >= 11) {
    out_.append("\r\nTransfer-Encoding: chunked");
  } else {
    framing_ = framing::until_close;
    persistence_ = persistence::close;
  }
}

void response_writer::send_whole(std::string_view content_type, std::span<const std::byte> body) {
  WEFT_CHECK(state_ == state::open, "answer a request once");
  if (!is_field_value(content_type)) throw std::invalid_argument{"a content type is one line"};
  set_length(body.size());
  append_head(content_type, answer_form::whole);
  state_ = state::complete;
  if (!body_allowed_) return;
  body_bytes_ = body.size();
  if (body.size() <= largest_copied_piece) {
    out_.append({reinterpret_cast<const char*>(body.data()), body.size()});
  } else if (!sink_.send({&body, 1})) {
    state_ = state::broken;
  }
}

void response_writer::send_error(http::status value, std::string_view code, std::string_view message) {
  std::string body = R"({"error":{"code":")";
  append_json_escaped(body, code.empty() ? code_word(value) : code);
  body += R"(","message":")";
  append_json_escaped(body, message);
  body += "\"}}\n";
  set_status(value);
  send_whole("application/json", std::as_bytes(std::span{body}));
}

void response_writer::start_streaming() {
  append_head({}, answer_form::streamed);
  state_ = state::streaming;
}

result<void> response_writer::write(std::span<const std::byte> piece) {
  WEFT_CHECK(state_ != state::complete, "write to an answer before it is complete");
  if (state_ == state::open) start_streaming();
  if (state_ == state::broken) return failure(errc::closed);
  if (piece.empty() || !body_allowed_) return {};
  body_bytes_ += piece.size();
  if (framing_ == framing::chunked) return write_chunk(piece);
  if (framing_ == framing::length && body_bytes_ > length_) {
    state_ = state::broken;
    return failure(errc::too_large);
  }
  if (piece.size() > largest_copied_piece) return send_pending({&piece, 1});
  out_.append({reinterpret_cast<const char*>(piece.data()), piece.size()});
  return out_.size() < pending_bytes ? result<void>{} : send_pending({});
}

result<void> response_writer::write_chunk(std::span<const std::byte> piece) {
  if (piece.size() > largest_copied_piece) {
    close_chunk();
    std::array<char, 20> size{};
    auto* end = std::to_chars(size.data(), size.data() + size.size() - 2, piece.size(), 16).ptr;
    out_.append({size.data(), end});
    out_.append("\r\n");
    std::array<std::span<const std::byte>, 2> pieces{piece, std::as_bytes(std::span{"\r\n", 2})};
    return send_pending(pieces);
  }
  if (!chunk_begin_) {
    chunk_begin_ = out_.size();
    out_.append(chunk_placeholder);
  }
  out_.append({reinterpret_cast<const char*>(piece.data()), piece.size()});
  if (out_.size() - *chunk_begin_ < pending_bytes) return {};
  return flush();
}

void response_writer::close_chunk() {
  if (!chunk_begin_) return;
  constexpr std::string_view digits = "0123456789abcdef";
  auto size = out_.size() - *chunk_begin_ - chunk_placeholder.size();
  std::array<char, 4> text{digits[size >> 12 & 15], digits[size >> 8 & 15], digits[size >> 4 & 15], digits[size & 15]};
  out_.overwrite(*chunk_begin_, {text.data(), text.size()});
  out_.append("\r\n");
  chunk_begin_.reset();
}

result<void> response_writer::flush() {
  WEFT_CHECK(state_ != state::complete, "flush an answer before it is complete");
  if (state_ == state::open) start_streaming();
  if (state_ == state::broken) return failure(errc::closed);
  close_chunk();
  return send_pending({});
}

result<void> response_writer::send_pending(std::span<const std::span<const std::byte>> pieces) {
  auto sent = sink_.send(pieces);
  if (!sent) state_ = state::broken;
  return sent;
}

void response_writer::finish() {
  if (state_ == state::open) {
    send_whole({}, {});
  } else if (state_ == state::streaming) {
    bool complete = framing_ != framing::length || !body_allowed_ || body_bytes_ == length_;
    close_chunk();
    if (framing_ == framing::chunked && body_allowed_) out_.append("0\r\n\r\n");
    state_ = complete ? state::complete : state::broken;
  }
}

}  // namespace weft::http::detail
