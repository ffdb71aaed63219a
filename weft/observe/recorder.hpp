#pragma once

#include <memory>
#include <string>
#include <vector>

#include <weft/base/accounting.hpp>
#include <weft/base/clock.hpp>
#include <weft/observe/metrics_snapshot.hpp>
#include <weft/observe/route_statistics.hpp>
#include <weft/task/accounting_scope.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft::observe {

struct recorder_options {
  std::string service = "weft";  ///< what the program calls itself
  std::string model;             ///< how it runs its requests: "virtual", "pool" ...
};

/// Live figures of a service, per route. Routes are added by the program, never by a request, so that no client can
/// make the figures grow.
/// Thread: any, for every member, at the same time.
/// Lifetime: outlives its spans and its routes' users.
class recorder {
 public:
  explicit recorder(recorder_options options = {});
  ~recorder();
  recorder(const recorder&) = delete;
  recorder& operator=(const recorder&) = delete;

  /// The statistics of one route, made at the first call with this method and path. `path` is the pattern
  /// ("/photos/{id}"), not what a client asked for. At most 1,000 routes.
  route_statistics& add_route(std::string method, std::string path);

  /// For requests that match no route; shown once it has any.
  [[nodiscard]] route_statistics& unmatched() noexcept;

  // What a span does, for a server that measures its requests itself: begin(), then answer() or abandon().

  /// One more request is in flight.
  void begin() noexcept;
  /// It was answered: adds it to `route` as route_statistics::record does.
  void answer(route_statistics& route, duration latency, const accounting& waits, int status) noexcept;
  /// It ended without an answer: the client hung up.
  void abandon() noexcept;

  [[nodiscard]] metrics_snapshot snapshot() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// One request, from this object's making to close(). Opened before it is known which route the request is for. While
/// it lives, the waits of the task that made it count as the request's (those of tasks it spawns do not: waiting for
/// them does).
///
///     observe::span span{recorder};
///     ... read, route, answer ...
///     span.close(route, 200);
///
/// Thread: the task, or plain OS thread, that made it.
class span {
 public:
  explicit span(recorder& owner) noexcept;
  /// A span that was not closed counts as abandoned.
  ~span();
  span(const span&) = delete;
  span& operator=(const span&) = delete;

  /// Records the request: `status` is the HTTP status of its answer, 100 to 599. Once.
  void close(route_statistics& route, int status) noexcept;

  /// What the request has waited for so far.
  /// Thread: the span's.
  [[nodiscard]] const accounting& waits() const noexcept {
    accounting_scope::bring_up_to_date();
    return waits_;
  }

 private:
  recorder& owner_;
  time_point began_;
  accounting waits_;
  accounting_scope installed_{waits_};
  bool closed_ = false;
};

}  // namespace weft::observe
