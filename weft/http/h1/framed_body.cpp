#include "weft/http/h1/framed_body.hpp"

#include <algorithm>
#include <cstring>

#include <weft/base/check.hpp>

namespace weft::http::detail {
namespace {

/// Smaller reads go through the input buffer, so that reading byte by byte is not a system call a byte.
constexpr std::size_t smallest_direct_read = 1024;
/// Of the input buffer, for a body's pieces.
constexpr std::size_t buffered_read_bytes = 8 * 1024;

}  // namespace

void framed_body::begin(const message_head& head, const chunked_limits& limits) {
  framing_ = head.framing;
  finished_ = framing_ == framing::none;
  length_ = head.content_length;
  remaining_ = framing_ == framing::until_close ? limits.max_body_bytes : head.content_length;
  failure_ = {};
  if (framing_ == framing::chunked) {
    chunks_.emplace(limits);
  } else {
    chunks_.reset();
    if (framing_ == framing::length && length_ > limits.max_body_bytes) failure_ = errc::too_large;
  }
}

std::optional<std::uint64_t> framed_body::length() const noexcept {
  if (framing_ == framing::length || framing_ == framing::none) return length_;
  return std::nullopt;
}

result<std::size_t> framed_body::read(std::span<std::byte> into) {
  WEFT_CHECK(!into.empty(), "read into at least one byte");
  if (failure_) return std::unexpected{failure_};
  if (finished_) return 0;
  auto received = read_some(into);
  if (!received) failure_ = received.error();
  return received;
}

std::optional<result<std::size_t>> framed_body::try_read(std::span<std::byte> into) {
  WEFT_CHECK(!into.empty(), "read into at least one byte");
  if (failure_ || finished_) return read(into);
  may_wait_ = false;
  auto received = read_some(into);
  may_wait_ = true;
  if (received) return received;
  if (received.error() == std::errc::operation_would_block) return std::nullopt;
  failure_ = received.error();
  return received;
}

result<std::size_t> framed_body::read_some(std::span<std::byte> into) {
  if (framing_ == framing::chunked) return read_chunked(into);
  if (framing_ == framing::until_close) return read_until_close(into);
  auto received = read_plain(into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), remaining_))));
  if (received) {
    remaining_ -= *received;
    finished_ = remaining_ == 0;
  }
  return received;
}

result<std::size_t> framed_body::read_plain(std::span<std::byte> into) {
  if (input_.unread().empty()) {
    // Never beyond this body: what follows belongs to the next message.
    if (into.size() >= smallest_direct_read || into.size() == remaining_) return receive(into);
    if (auto more = receive_more(); !more) return std::unexpected{more.error()};
  }
  auto taken = std::min(into.size(), input_.unread().size());
  std::memcpy(into.data(), input_.unread().data(), taken);
  input_.consume(taken);
  return taken;
}

result<std::size_t> framed_body::read_chunked(std::span<std::byte> into) {
  for (;;) {
    auto done = chunks_->decode(input_.unread(), into);
    if (!done) return std::unexpected{done.error()};
    input_.consume(done->consumed);
    finished_ = chunks_->finished();
    if (done->produced > 0 || finished_) return done->produced;
    if (auto more = receive_more(); !more) return std::unexpected{more.error()};
  }
}

result<std::size_t> framed_body::read_until_close(std::span<std::byte> into) {
  auto received = read_plain(into);
  if (!received && received.error() == errc::end_of_stream) {
    finished_ = true;
    return 0;
  }
  if (received && *received > remaining_) return weft::failure(errc::too_large);
  if (received) remaining_ -= *received;
  return received;
}

result<void> framed_body::receive_more() {
  auto received = receive(input_.make_room(buffered_read_bytes));
  if (!received) return std::unexpected{received.error()};
  input_.received(*received);
  return {};
}

result<std::size_t> framed_body::receive(std::span<std::byte> into) {
  if (may_wait_) return source_.receive_body(into);
  auto received = source_.try_receive_body(into);
  if (received && *received == 0) return std::unexpected{std::make_error_code(std::errc::operation_would_block)};
  return received;
}

}  // namespace weft::http::detail
