#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <weft/base/result.hpp>

namespace weft {

/// What byte_stream::send_or_recv() has done: one of the two.
struct stream_progress {
  std::size_t sent = 0;
  std::size_t received = 0;
};

/// A connection that carries bytes both ways, whatever it runs over.
/// Thread: one reader and one writer at a time, from any kind of task or a plain OS thread; close() from any, any time.
class byte_stream {
 public:
  byte_stream() = default;
  virtual ~byte_stream() = default;

  /// What has arrived, at least one byte; waits for it. `into` is not empty. Fails with errc::end_of_stream once the
  /// peer has sent all it will send, with errc::closed after close().
  /// Parks.
  /// Cancel: no byte was taken.
  [[nodiscard]] virtual result<std::size_t> recv(std::span<std::byte> into) = 0;

  /// Sends at least one byte of `from`, which is not empty; waits for room. Fails with errc::closed after close().
  /// Parks.
  /// Cancel: no byte was sent.
  [[nodiscard]] virtual result<std::size_t> send(std::span<const std::byte> from) = 0;

  /// Sends all of `from`.
  /// Parks.
  /// Cancel: some bytes may have been sent, so that the stream is only good for close().
  [[nodiscard]] virtual result<void> send_all(std::span<const std::byte> from);

  /// The same of text: send_all("hello").
  [[nodiscard]] result<void> send_all(std::string_view text) { return send_all(std::as_bytes(std::span{text})); }

  /// Sends all pieces in order, as few large writes.
  /// Parks.
  /// Cancel: as send_all.
  [[nodiscard]] virtual result<void> send_all(std::span<const std::span<const std::byte>> pieces);

  /// What has arrived already; 0 when nothing has. Does not wait. `into` is not empty. Fails as recv() does.
  /// Unless a stream has a better way, this is a recv() whose deadline has passed.
  [[nodiscard]] virtual result<std::size_t> try_recv(std::span<std::byte> into);

  /// Receives what has arrived; otherwise sends at least one byte of `from`, or, while there is no room, waits for room
  /// or for bytes to receive. Neither span is empty. Fails as recv() and send() do. It is for a sender that wants to
  /// hear when the peer has had enough. Unless a stream has a better way, it looks 100 times a second while it waits.
  /// Thread: the reader and the writer.
  /// Parks.
  /// Cancel: no byte was sent or taken.
  [[nodiscard]] virtual result<stream_progress> send_or_recv(std::span<const std::byte> from,
                                                             std::span<std::byte> into);

  /// Tells the peer that nothing more will be sent; receiving goes on.
  [[nodiscard]] virtual result<void> shutdown_send() = 0;

  /// Ends the connection. Whoever waits on it fails with errc::closed, as does every later call. Again is harmless.
  virtual void close() noexcept = 0;

 protected:
  byte_stream(const byte_stream&) = default;
  byte_stream& operator=(const byte_stream&) = default;
  byte_stream(byte_stream&&) = default;
  byte_stream& operator=(byte_stream&&) = default;
};

}  // namespace weft
