#pragma once

#include <cstdint>

#include <weft/base/accounting.hpp>
#include <weft/base/clock.hpp>
#include <weft/http/status.hpp>

namespace weft::http {

class request;
struct route;

/// What observers see as the status of a request whose client hung up before there was an answer.
inline constexpr auto client_closed_request = static_cast<status>(499);

/// One request as an observer sees it.
struct observed_request {
  const http::request* request = nullptr;  ///< null when its head could not be understood
  const http::route* route = nullptr;      ///< null when none matched
  time_point started{};                    ///< its head was complete
  time_point finished{};                   ///< its response was handed to the system, or is about to be
  http::status status{};                   ///< of the response
  std::uint64_t body_bytes = 0;            ///< of the response
  accounting waits{};                      ///< what serving it waited for
};

/// Told of every request that a server answers.
/// Thread: the task that serves the request; any number at the same time.
class request_observer {
 public:
  virtual ~request_observer() = default;

  /// When the head has been understood, before the handler. `finished`, `status`, `body_bytes` and `waits` are not
  /// known yet.
  virtual void on_start(const observed_request& /*observed*/) noexcept {}

  /// After the response, also for requests whose client hung up (`client_closed_request`), and for those whose head
  /// could not be understood: on_start was not called for these, and only for these is `request` null.
  virtual void on_end(const observed_request& observed) noexcept = 0;
};

}  // namespace weft::http
