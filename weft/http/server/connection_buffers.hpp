#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <weft/base/clock.hpp>
#include <weft/base/result.hpp>
#include <weft/io/byte_stream.hpp>

#include "weft/http/h1/input_buffer.hpp"
#include "weft/http/h1/output_buffer.hpp"

namespace weft::http::detail {

/// How far a connection that ends goes on reading.
struct linger_limits {
  duration time;        ///< in all
  duration idle;        ///< until the next bytes
  std::uint64_t bytes;  ///< in all
};

/// One end of a connection: its stream, with what was received and not yet consumed, and what is to be sent.
/// Thread: the connection's.
class connection_buffers {
 public:
  connection_buffers(byte_stream& stream, duration send_timeout) noexcept
      : stream_{stream}, send_timeout_{send_timeout} {}

  [[nodiscard]] input_buffer& input() noexcept { return input_; }
  [[nodiscard]] output_buffer& out() noexcept { return out_; }

  /// Sends out() and `pieces` behind it, as one write where they fit one. The peer has send_timeout for each 256 KiB.
  /// Once it has failed the connection is only good for close().
  [[nodiscard]] result<void> send(std::span<const std::span<const std::byte>> pieces = {});

  /// At least one byte, past the input buffer; sends out() first.
  [[nodiscard]] result<std::size_t> receive(std::span<std::byte> into, time_point deadline);

  /// At least one byte more in the input buffer, which has room for `bytes`.
  [[nodiscard]] result<void> receive_more(std::size_t bytes, time_point deadline);

  /// What has arrived already, past the input buffer; 0 when nothing has.
  [[nodiscard]] result<std::size_t> try_receive(std::span<std::byte> into) { return stream_.try_recv(into); }

  /// Whether the peer has neither sent anything nor closed, as it should before it was asked. What it has sent is lost.
  [[nodiscard]] bool is_quiet();

  /// Receives what has arrived into the input buffer, or sends some of `from`, which is not empty, and returns how
  /// much. The output buffer, out(), is empty. As long as nobody reads them it receives no more than `most_unread`
  /// bytes.
  [[nodiscard]] result<std::size_t> send_or_receive(std::span<const std::byte> from, std::size_t most_unread);

  /// Ends the connection so that the peer gets to read what was sent before: sends what is left, then only its own
  /// half ends, and what the peer still sends is read and dropped until the peer has finished, or a limit is reached.
  /// Bytes that lie unread at close(), or come after it, make the system reset the connection, and the peer lose what
  /// it had not read. A peer that has finished already, or was never sent anything, is not waited for.
  void finish(const linger_limits& limits);

  void close() noexcept { stream_.close(); }

 private:
  [[nodiscard]] result<void> send_batch(std::span<const std::span<const std::byte>> batch);

  byte_stream& stream_;
  duration send_timeout_;
  input_buffer input_;
  output_buffer out_;
  bool broken_ = false;         // a send failed: nothing sent later would make sense to the peer
  bool sent_ = false;           // anything at all
  bool peer_finished_ = false;  // nothing more will be received
};

}  // namespace weft::http::detail
