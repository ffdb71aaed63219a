#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <expected>
#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <weft/http/request.hpp>
#include <weft/http/request_observer.hpp>
#include <weft/http/response.hpp>
#include <weft/http/router.hpp>
#include <weft/http/server_options.hpp>
#include <weft/io/byte_stream.hpp>

#include "weft/http/h1/date.hpp"
#include "weft/http/h1/framed_body.hpp"
#include "weft/http/h1/head_parser.hpp"
#include "weft/http/h1/head_scanner.hpp"
#include "weft/http/h1/response_writer.hpp"
#include "weft/http/server/connection_buffers.hpp"
#include "weft/http/server/connection_registry.hpp"
#include "weft/http/server/server_core.hpp"

namespace weft::http::detail {

// How one connection goes, from the server's side:
//
//   await_head --nothing came: timeout, end, stop--> close
//     |   \----head refused: 400 408 414 431 ...---> close
//     v
//   dispatch: guards, handler; the handler reads the body through receive_body(), which first sends what is held back,
//     |       and 100 Continue when the client waits for it
//     v
//   settle: the answer sent, the rest of the body read and dropped
//     |----- the next request may follow: await_head
//     \----- close
//
// One request that arrived whole costs one recv and one send. Each answer is sent before the next request is looked at.
// A close after an answer is that of connection_buffers::finish(): the client gets to read it, whatever it is sending.

/// Serves one connection.
/// Thread: the one that calls run(); stop() reaches in through the registry only.
class server_connection final : response_sink, body_source {
 public:
  server_connection(byte_stream& stream, server_core& core, std::string_view peer);
  ~server_connection();

  /// Until the connection ends. Closes the stream.
  void run();

  /// Answers with `why`, without having read anything, and closes.
  void reject_unread(const rejection& why);

 private:
  enum class next : std::uint8_t { request, close };

  [[nodiscard]] next serve_one();

  /// The next request's head, consumed and pinned; or why it is refused; or nothing, to close without a word.
  [[nodiscard]] std::expected<std::string_view, std::optional<rejection>> await_head();
  [[nodiscard]] bool await_first_bytes();
  [[nodiscard]] std::optional<rejection> check_incomplete(std::string_view text, const head_scanner& scanner) const;
  /// `head` is what there is of the request.
  void reject(const rejection& why, std::string_view head);
  void finish();

  void dispatch();
  [[nodiscard]] std::optional<rejection> fill_request(request& asked);
  void overrule_host(std::string_view authority, request& asked);
  [[nodiscard]] chunked_limits body_limits(std::uint64_t max_body_bytes) const noexcept;
  void answer(request& asked, observed_request& observed);
  void run_handlers(request& asked, response& answer);
  void call(const handler& handle, request& asked, response& answer);
  void answer_unmatched(std::string_view allowed);
  void complete_answer();
  [[nodiscard]] next settle();
  [[nodiscard]] bool drain_body();

  result<void> send(std::span<const std::span<const std::byte>> pieces) override;
  http::detail::persistence persistence(answer_form form) override;
  std::string_view date() noexcept override;
  result<std::size_t> receive_body(std::span<std::byte> into) override;
  [[nodiscard]] time_point body_deadline(time_point from) const noexcept;
  [[nodiscard]] bool can_drain_body(answer_form form);

  server_core& core_;
  std::string_view peer_;
  live_connection live_;
  connection_buffers buffers_;
  request_head head_;
  framed_body body_{*this, buffers_.input()};
  response_writer writer_{*this, buffers_.out()};
  date_cache date_;
  std::array<std::byte, 512> first_memory_;
  std::pmr::monotonic_buffer_resource memory_{first_memory_.data(), first_memory_.size()};

  std::uint64_t requests_ = 0;
  time_point started_ = now();
  bool continue_awaited_ = false;    // the client sends the body when it gets 100 Continue
  duration body_waited_{};           // for the client, in this body
  std::uint64_t body_received_ = 0;  // from the client, coding included, beyond what came with the head
};

}  // namespace weft::http::detail
