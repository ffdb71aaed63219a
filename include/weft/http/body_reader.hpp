#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <weft/base/result.hpp>

namespace weft::http {

/// The body of a message that is being received, piece by piece; chunked coding is taken off.
/// Thread: the task that serves the request, or that made it. Lifetime: its message's.
class body_reader {
 public:
  body_reader(const body_reader&) = delete;
  body_reader& operator=(const body_reader&) = delete;

  /// At least one byte, written to `into`, which is not empty; 0 at the end of the body. Fails with errc::too_large
  /// beyond the body limit, errc::malformed for bad chunked coding, errc::timed_out when the sender is too slow,
  /// errc::end_of_stream when it hung up in the middle; then always again. A handler that gives up on such an error
  /// without answering leaves the right answer (413, 400, 408) to the server.
  /// Parks. Cancel: nothing was taken.
  [[nodiscard]] virtual result<std::size_t> read(std::span<std::byte> into) = 0;

  /// Everything that is left, which is at most `max_bytes`; fails with errc::too_large when it is more.
  [[nodiscard]] result<std::string> read_all(std::size_t max_bytes = SIZE_MAX);

  /// How long the body is in all, when its sender said so.
  [[nodiscard]] virtual std::optional<std::uint64_t> length() const noexcept = 0;

  /// Whether all of it was read. True from the start for a message without a body.
  [[nodiscard]] virtual bool finished() const noexcept = 0;

 protected:
  body_reader() = default;
  ~body_reader() = default;
};

}  // namespace weft::http
