#include <algorithm>
#include <cstdio>
#include <ctime>

#include <nlohmann/json.hpp>

#include <weft/observe/format.hpp>

#include "weft/observe/detail/place.hpp"

namespace weft::observe {
namespace {

using nlohmann::ordered_json;

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>{time}.count(); }

/// RFC 3339, in UTC, to the second.
std::string timestamp(std::chrono::system_clock::time_point instant) {
  auto time = std::chrono::system_clock::to_time_t(instant);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[sizeof "2000-01-01T00:00:00Z"];
  auto length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, length};
}

/// The buckets that hold anything, each as [its upper bound or null, how many].
ordered_json buckets_of(const latency_histogram& latency) {
  auto buckets = ordered_json::array();
  auto bounds = latency_histogram::upper_bounds();
  auto counts = latency.counts();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    ordered_json bound = i < bounds.size() ? ordered_json(seconds(bounds[i])) : ordered_json(nullptr);
    buckets.push_back({std::move(bound), counts[i]});
  }
  return buckets;
}

ordered_json latency_of(const route_metrics& route) {
  auto requests = route.requests();
  // No percentile lies beyond what was seen, though its bucket may.
  auto at = [&](double share) { return seconds(std::min(route.latency.percentile(share), route.latency_max)); };
  return {{"mean", requests == 0 ? 0.0 : seconds(route.latency_sum) / static_cast<double>(requests)},
          {"p50", at(0.5)},
          {"p90", at(0.9)},
          {"p99", at(0.99)},
          {"max", seconds(route.latency_max)},
          {"buckets", buckets_of(route.latency)}};
}

ordered_json time_of(const time_metrics& time) {
  ordered_json waiting;
  for (std::size_t kind = 0; kind < wait_kind_count; ++kind) {
    waiting[std::string{to_string(static_cast<wait_kind>(kind))}] = seconds(time.waiting[kind]);
  }
  return {{"total", seconds(time.total())},
          {"running", seconds(time.running)},
          {"waiting", std::move(waiting)},
          {"blocked_in_place", seconds(time.blocked_in_place)}};
}

ordered_json route_of(const route_metrics& route) {
  return {{"method", route.method},
          {"path", route.path},
          {"requests", route.requests()},
          {"rejected", route.rejected()},
          {"errors", route.errors()},
          {"latency_seconds", latency_of(route)},
          {"time_seconds", time_of(route.time)},
          {"verdict", to_string(route.time.verdict())},
          {"cpu_idle_share", route.time.cpu_idle_share()}};
}

ordered_json process_of(const metrics_snapshot& all) {
  const auto& process = all.process;
  ordered_json made{{"cpu_seconds", seconds(process.cpu_time)}, {"cores", process.cores}};
  if (process.threads) made["threads"] = *process.threads;
  if (process.resident_bytes) made["resident_bytes"] = *process.resident_bytes;
  return made;
}

ordered_json computing_of(const computing_metrics& computing) {
  auto sites = ordered_json::array();
  for (const auto& site : computing.sites) {
    sites.push_back({{"called_at", place_of(site)},
                     {"calls", site.calls},
                     {"total_seconds", seconds(site.total)},
                     {"longest_seconds", seconds(site.longest)}});
  }
  const auto& carriers = computing.carriers;
  return {{"carriers", carriers.carriers}, {"asleep", carriers.asleep},   {"blocked", carriers.blocked},
          {"queued", carriers.queued},     {"ready", carriers.ready},     {"begun", carriers.begun},
          {"went_on", carriers.resumed},   {"refused", carriers.refused}, {"sites", std::move(sites)}};
}

}  // namespace

std::string to_json(const metrics_snapshot& all) {
  auto routes = ordered_json::array();
  for (const auto& route : all.routes) routes.push_back(route_of(route));
  ordered_json made{{"service", all.service},
                    {"model", all.model},
                    {"started_at", timestamp(all.started_at)},
                    {"uptime_seconds", seconds(all.uptime)},
                    {"process", process_of(all)}};
  if (all.computing) made["computing"] = computing_of(*all.computing);
  made["in_flight"] = all.in_flight;
  made["abandoned"] = all.abandoned;
  made["routes"] = std::move(routes);
  // A name that is not UTF-8 must not make the figures unreadable.
  return made.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace weft::observe
