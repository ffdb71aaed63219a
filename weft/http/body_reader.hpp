#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <weft/base/result.hpp>
#include <weft/combine/detail/stack_call.hpp>

namespace weft::http {

namespace detail {
struct body_read_call;
struct body_read_all_call;
}  // namespace detail

/// The body of a message that is being received, piece by piece; chunked coding is taken off.
/// Thread: the task that serves the request, or that made it.
/// Lifetime: its message's.
class body_reader {
 public:
  body_reader(const body_reader&) = delete;
  body_reader& operator=(const body_reader&) = delete;

  /// At least one byte, written to `into`, which is not empty; 0 at the end of the body. Fails with errc::too_large
  /// beyond the body limit, or where a trailer exceeds the header's, errc::malformed for bad chunked coding,
  /// errc::timed_out when the sender is too slow, errc::end_of_stream when it hung up in the middle; then always again.
  /// A handler that gives up on such an error without answering leaves the right answer (413, 431, 400, 408) to the
  /// server.
  /// Parks.
  /// Cancel: nothing was taken.
  [[nodiscard]] virtual result<std::size_t> read(std::span<std::byte> into) = 0;

  /// read() as an operation, for coroutines: `into` outlives it. Where it has to wait, a virtual thread of its own
  /// does.
  [[nodiscard]] weft::detail::stack_call<detail::body_read_call> async_read(std::span<std::byte> into);

  /// What read() would return without waiting; none when it would wait.
  [[nodiscard]] virtual std::optional<result<std::size_t>> try_read(std::span<std::byte> into);

  /// Everything that is left, which is at most `max_bytes`; fails with errc::too_large when it is more.
  [[nodiscard]] result<std::string> read_all(std::size_t max_bytes = SIZE_MAX);
  /// The same as an operation, for coroutines.
  [[nodiscard]] weft::detail::stack_call<detail::body_read_all_call> async_read_all(std::size_t max_bytes = SIZE_MAX);

  /// How long the body is in all, when its sender said so.
  [[nodiscard]] virtual std::optional<std::uint64_t> length() const noexcept = 0;

  /// Whether all of it was read. True from the start for a message without a body.
  [[nodiscard]] virtual bool finished() const noexcept = 0;

 protected:
  body_reader() = default;
  ~body_reader() = default;
};

namespace detail {

/// read(), called on behalf of a coroutine.
struct body_read_call {
  body_reader* reader;
  std::span<std::byte> into;

  [[nodiscard]] result<std::size_t> operator()() const { return reader->read(into); }
  [[nodiscard]] std::optional<result<std::size_t>> try_first() const { return reader->try_read(into); }
};

/// read_all(), called on behalf of a coroutine.
struct body_read_all_call {
  body_reader* reader;
  std::size_t max_bytes;

  [[nodiscard]] result<std::string> operator()() const { return reader->read_all(max_bytes); }
};

}  // namespace detail

inline weft::detail::stack_call<detail::body_read_call> body_reader::async_read(std::span<std::byte> into) {
  return weft::detail::stack_call{detail::body_read_call{this, into}};
}

inline weft::detail::stack_call<detail::body_read_all_call> body_reader::async_read_all(std::size_t max_bytes) {
  return weft::detail::stack_call{detail::body_read_all_call{this, max_bytes}};
}

}  // namespace weft::http
