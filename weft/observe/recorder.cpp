#include <weft/observe/recorder.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>

#include <weft/base/check.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/task/accounting_scope.hpp>

#include "weft/observe/detail/process.hpp"
#include "weft/observe/detail/shards.hpp"

namespace weft::observe {
namespace {

constexpr std::size_t routes_limit = 1000;

// All operations on the counters are relaxed: a counter publishes nothing but itself.
struct alignas(cache_line_bytes) request_counters {
  // May be below zero in one shard: a request can begin on one thread and end on another.
  std::atomic<std::int64_t> in_flight{0};
  std::atomic<std::uint64_t> abandoned{0};
};

[[nodiscard]] std::optional<computing_metrics> read_computing_metrics() {
  const auto* home = runtime::current();
  if (!home || home->computing().carriers == 0) return std::nullopt;
  computing_metrics made{.carriers = home->computing(), .sites = home->compute_sites()};
  std::ranges::sort(made.sites, std::ranges::greater{}, &compute_site::total);
  return made;
}

}  // namespace

struct recorder::state {
  explicit state(recorder_options given)
      : options(std::move(given)), counters(std::make_unique<request_counters[]>(shard_count())) {}

  [[nodiscard]] request_counters& mine() noexcept { return counters[shard_of_this_thread()]; }

  const recorder_options options;
  const std::chrono::system_clock::time_point started_at = std::chrono::system_clock::now();
  const time_point started = now();
  const std::unique_ptr<request_counters[]> counters;
  route_statistics unmatched{"*", "(no such route)"};
  mutable std::mutex mutex;                               // guards `routes`, never held while recording
  std::vector<std::unique_ptr<route_statistics>> routes;  // only grows
};

recorder::recorder(recorder_options options) : state_(std::make_unique<state>(std::move(options))) {}

recorder::~recorder() = default;

route_statistics& recorder::add_route(std::string method, std::string path) {
  std::lock_guard lock{state_->mutex};
  for (auto& route : state_->routes) {
    if (route->method() == method && route->path() == path) return *route;
  }
  WEFT_CHECK(state_->routes.size() < routes_limit, "add routes by their pattern, not by what clients ask for");
  return *state_->routes.emplace_back(std::make_unique<route_statistics>(std::move(method), std::move(path)));
}

route_statistics& recorder::unmatched() noexcept { return state_->unmatched; }

void recorder::begin() noexcept {
  state_->mine().in_flight.fetch_add(1, std::memory_order_relaxed);  // relaxed: a counter
}

void recorder::answer(route_statistics& route, duration latency, const accounting& waits, int status) noexcept {
  route.record(latency, waits, status);
  state_->mine().in_flight.fetch_sub(1, std::memory_order_relaxed);  // relaxed: a counter
}

void recorder::abandon() noexcept {
  auto& counters = state_->mine();
  counters.in_flight.fetch_sub(1, std::memory_order_relaxed);  // relaxed: counters
  counters.abandoned.fetch_add(1, std::memory_order_relaxed);
}

metrics_snapshot recorder::snapshot() const {
  metrics_snapshot all;
  all.service = state_->options.service;
  all.model = state_->options.model;
  all.started_at = state_->started_at;
  all.uptime = now() - state_->started;
  all.process = read_process_metrics();
  all.computing = read_computing_metrics();
  for (std::size_t i = 0; i < shard_count(); ++i) {
    all.in_flight += state_->counters[i].in_flight.load(std::memory_order_relaxed);  // relaxed: as said above
    all.abandoned += state_->counters[i].abandoned.load(std::memory_order_relaxed);
  }
  std::lock_guard lock{state_->mutex};
  for (const auto& route : state_->routes) all.routes.push_back(route->snapshot());
  if (auto other = state_->unmatched.snapshot(); other.requests() > 0) all.routes.push_back(std::move(other));
  return all;
}

span::span(recorder& owner) noexcept : owner_(owner), began_(now()) { owner_.begin(); }

span::~span() {
  if (!closed_) owner_.abandon();
}

void span::close(route_statistics& route, int status) noexcept {
  WEFT_CHECK(!closed_, "close a span once");
  closed_ = true;
  accounting_scope::bring_up_to_date();
  owner_.answer(route, now() - began_, waits_, status);
}

}  // namespace weft::observe
