#pragma once

#include <source_location>
#include <string>

#include <weft/observe/recorder.hpp>

namespace weft::observe {

/// The place that the figures below have as a call site of compute(): "file:line".
inline constexpr auto computes_at = std::source_location::current();
inline const std::string computing_place =
    std::string{computes_at.file_name()} + ':' + std::to_string(computes_at.line());

/// Figures whose every number is known: an I/O-bound route, a CPU-bound one with a name that needs escaping, and one
/// that nobody asked for.
inline metrics_snapshot sample_metrics() {
  using namespace std::chrono_literals;
  recorder recorder{{.service = "gallery", .model = "virtual"}};
  auto& upload = recorder.add_route("POST", "/photos");
  accounting waits;
  waits.add(wait_kind::socket, 90ms);
  waits.add(wait_kind::file, 5ms);
  waits.blocked_in_place = 2500us;
  for (int i = 0; i < 99; ++i) upload.record(100ms, waits, 201);
  upload.record(2s, waits, 503);

  auto& odd = recorder.add_route("GET", "/a\"b\\c\nd");
  odd.record(1ms, {}, 200);
  odd.record(3ms, {}, 404);
  recorder.add_route("GET", "/unused");

  auto all = recorder.snapshot();
  all.started_at = std::chrono::system_clock::time_point{1'700'000'000s};
  all.uptime = 12'500ms;
  all.process = {.cpu_time = 1'500ms, .cores = 2, .threads = 5, .resident_bytes = 9'000'000};
  all.computing = {.carriers = {.carriers = 2, .queued = 4, .begun = 9, .refused = 5}, .sites = {}};
  all.computing->sites.push_back({.called_at = computes_at, .calls = 8, .total = 1'250ms, .longest = 500ms});
  all.in_flight = 3;
  all.abandoned = 1;
  return all;
}

}  // namespace weft::observe
