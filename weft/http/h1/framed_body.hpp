#pragma once

#include <optional>
#include <system_error>

#include <weft/http/body_reader.hpp>

#include "weft/http/h1/chunked_decoder.hpp"
#include "weft/http/h1/head_parser.hpp"
#include "weft/http/h1/input_buffer.hpp"

namespace weft::http::detail {

/// Where a body's bytes come from when the input buffer has no more.
class body_source {
 public:
  /// At least one byte, waited for under the connection's deadlines; errc::end_of_stream at the end.
  [[nodiscard]] virtual result<std::size_t> receive_body(std::span<std::byte> into) = 0;
  /// The same without waiting: 0 when nothing has arrived.
  [[nodiscard]] virtual result<std::size_t> try_receive_body(std::span<std::byte>) { return 0; }

 protected:
  ~body_source() = default;
};

/// Reads the body of one message after the other from a connection.
class framed_body final : public body_reader {
 public:
  framed_body(body_source& source, input_buffer& input) noexcept : source_{source}, input_{input} {}

  /// A new message, whose head has been consumed. `limits.max_body_bytes` holds for every framing.
  void begin(const message_head& head, const chunked_limits& limits);

  [[nodiscard]] result<std::size_t> read(std::span<std::byte> into) override;
  [[nodiscard]] std::optional<result<std::size_t>> try_read(std::span<std::byte> into) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept override;
  [[nodiscard]] bool finished() const noexcept override { return finished_; }

  /// Why the last read() failed; no error if none did.
  [[nodiscard]] std::error_code failure() const noexcept { return failure_; }
  /// Whether it failed with errc::too_large because of its trailer.
  [[nodiscard]] bool trailer_is_too_large() const noexcept { return chunks_ && chunks_->trailer_is_too_large(); }
  /// Of a body with a length, what was not read yet.
  [[nodiscard]] std::uint64_t remaining() const noexcept { return remaining_; }
  [[nodiscard]] http::detail::framing framing() const noexcept { return framing_; }

 private:
  [[nodiscard]] result<std::size_t> read_some(std::span<std::byte> into);
  [[nodiscard]] result<std::size_t> read_plain(std::span<std::byte> into);
  [[nodiscard]] result<std::size_t> read_chunked(std::span<std::byte> into);
  [[nodiscard]] result<std::size_t> read_until_close(std::span<std::byte> into);
  [[nodiscard]] result<void> receive_more();
  [[nodiscard]] result<std::size_t> receive(std::span<std::byte> into);

  body_source& source_;
  input_buffer& input_;
  http::detail::framing framing_ = framing::none;
  bool finished_ = true;
  bool may_wait_ = true;
  std::uint64_t length_ = 0;
  std::uint64_t remaining_ = 0;  // until_close: of the limit
  std::optional<chunked_decoder> chunks_;
  std::error_code failure_;
};

}  // namespace weft::http::detail
