#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <weft/base/result.hpp>
#include <weft/http/status.hpp>

#include "weft/http/h1/head_parser.hpp"
#include "weft/http/h1/output_buffer.hpp"

namespace weft::http::detail {

/// Whether all of an answer is there when its head is written.
enum class answer_form : std::uint8_t { whole, streamed };

/// The connection as the writer sees it.
class response_sink {
 public:
  /// Sends what is in the output buffer, which is then empty, and `pieces` behind it.
  [[nodiscard]] virtual result<void> send(std::span<const std::span<const std::byte>> pieces) = 0;
  /// Asked once per response, before its head is written: whether another request may follow. What is left of the
  /// request's body may be read and dropped before a `whole` answer, but not while one is streamed.
  [[nodiscard]] virtual http::detail::persistence persistence(answer_form form) = 0;
  /// For the Date field.
  [[nodiscard]] virtual std::string_view date() noexcept = 0;

 protected:
  ~response_sink() = default;
};

// One response:
//   open      --send_whole----------------------> complete
//   open      --write / flush--> streaming  --finish--> complete
//   streaming --a failed send, too few or too many bytes, abandon()--> broken: the client can only be told by closing

/// Writes the responses of one connection, one after the other, into its output buffer.
/// Thread: the connection's.
class response_writer {
 public:
  response_writer(response_sink& sink, output_buffer& out) noexcept : sink_{sink}, out_{out} {}

  /// A new response, to a request of this method and version.
  void begin(http::method asked, int version) noexcept;

  // See http::response for these.
  void add_field(std::string_view name, std::string_view value);
  void set_status(http::status value);
  void set_length(std::uint64_t bytes);
  void set_close() noexcept { persistence_ = persistence::close; }
  void send_whole(std::string_view content_type, std::span<const std::byte> body);
  void send_error(http::status value, std::string_view code, std::string_view message);
  [[nodiscard]] result<void> write(std::span<const std::byte> piece);
  [[nodiscard]] result<void> flush();

  /// Completes the response as its handler left it.
  void finish();
  /// Gives up a response that cannot be completed.
  void abandon() noexcept { state_ = state::broken; }

  [[nodiscard]] bool answered() const noexcept { return state_ != state::open; }
  [[nodiscard]] bool streaming() const noexcept { return state_ == state::streaming; }
  [[nodiscard]] bool broken() const noexcept { return state_ == state::broken; }
  [[nodiscard]] http::status status() const noexcept { return status_; }
  [[nodiscard]] std::uint64_t body_bytes() const noexcept { return body_bytes_; }
  /// What the head said, or will say as far as the handler has decided.
  [[nodiscard]] http::detail::persistence persistence() const noexcept { return persistence_; }

 private:
  enum class state : std::uint8_t { open, streaming, complete, broken };

  void append_head(std::string_view content_type, answer_form form);
  void append_framing();
  void start_streaming();
  void close_chunk();
  [[nodiscard]] result<void> write_chunk(std::span<const std::byte> piece);
  [[nodiscard]] result<void> send_pending(std::span<const std::span<const std::byte>> pieces);

  response_sink& sink_;
  output_buffer& out_;
  output_buffer fields_;  // those that the handler added, as lines
  state state_ = state::complete;
  http::status status_ = status::ok;
  http::detail::framing framing_ = framing::chunked;
  http::detail::persistence persistence_ = persistence::keep_alive;
  bool body_allowed_ = true;  // false: HEAD, 204, 205, 304
  bool is_head_ = false;
  int version_ = 11;
  std::uint64_t length_ = 0;
  std::uint64_t body_bytes_ = 0;
  std::optional<std::size_t> chunk_begin_;  // of the chunk being filled, in out_
};

}  // namespace weft::http::detail
