#pragma once

#include <cstddef>
#include <new>
#include <system_error>

#include <weft/base/detail/build_match.hpp>

namespace weft {

/// Conditions that are weft's own. What the operating system reports keeps its errno in
/// `std::system_category()`.
enum class errc {
  cancelled = 1,  ///< the task was asked to stop; the operation has taken nothing
  timed_out,      ///< the deadline passed first; the operation has taken nothing
  closed,         ///< the channel, stream or listener was closed
  end_of_stream,  ///< the peer has sent all that it will send
  too_large,      ///< a limit that the caller or the configuration set was exceeded
  malformed,      ///< what the peer sent breaks its protocol
  unavailable,    ///< the runtime or a resource that the operation needs is not there
  lagged,         ///< values were overwritten before this receiver took them; it goes on behind them
  deadlock,       ///< the task waited for others that wait for it; the operation has taken nothing
  overloaded,     ///< the queue for it is full; the operation has not begun
  no_address,     ///< a text that should be an address and a port, such as ":8080", has no address
  no_port,        ///< one such as "127.0.0.1" has no port
  bad_port,       ///< its port is no number from 0 to 65,535
  not_numeric,    ///< its address is no numeric one: a name, which resolve() looks up, or a slip
};

/// The category of `errc`: its name is "weft".
[[nodiscard]] const std::error_category& error_category() noexcept;

/// Found by argument-dependent look-up, so that an `errc` converts to `std::error_code`.
[[nodiscard]] inline std::error_code make_error_code(errc condition) noexcept {
  return {static_cast<int>(condition), error_category()};
}

/// Why an operation failed: a std::error_code. A type of its own so that value(), of a `result` that holds none, throws
/// an exception whose what() tells the reason.
class error : public std::error_code {
 public:
  using std::error_code::error_code;
  error(const std::error_code& code) noexcept : std::error_code{code} {}  // implicit: every std::error_code is a reason
};

/// What calls throw that cannot return an error, such as mutex::lock(), when their wait was part of a deadlock and the
/// runtime was asked to end those (deadlock_action::fail_waits). They have taken nothing.
class deadlock_error : public std::system_error {
 public:
  explicit deadlock_error(const char* what) : std::system_error{make_error_code(errc::deadlock), what} {}
};

/// What the constructor of an object throws whose capacity does not fit into memory.
class capacity_error : public std::bad_alloc {
 public:
  /// `capacity` cells of `bytes` each, for an object of that `kind`.
  capacity_error(const char* kind, std::size_t capacity, std::size_t bytes) noexcept;
  /// Says so, and what to do.
  [[nodiscard]] const char* what() const noexcept override { return text_; }

 private:
  char text_[160];
};

}  // namespace weft

template <>
struct std::is_error_code_enum<weft::errc> : std::true_type {};
