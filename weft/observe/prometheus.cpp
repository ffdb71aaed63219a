#include <charconv>
#include <concepts>
#include <initializer_list>
#include <utility>

#include <weft/observe/format.hpp>

#include "weft/observe/detail/place.hpp"

namespace weft::observe {
namespace {

using std::chrono::nanoseconds;

/// The ends of the buckets that are shown, from 10 us to 25 s: exact sums of the finer ones that are kept.
constexpr std::array shown_bounds = [] {
  std::array<nanoseconds, 20> made{};
  std::size_t next = 0;
  for (std::int64_t decade = 10'000; next < made.size(); decade *= 10) {
    for (auto tenths : {10, 25, 50}) {
      if (next < made.size()) made[next++] = nanoseconds{decade * tenths / 10};
    }
  }
  return made;
}();
static_assert(shown_bounds.back() == std::chrono::seconds{25});

using label = std::pair<std::string_view, std::string_view>;

/// Writes the text format: https://prometheus.io/docs/instrumenting/exposition_formats/
class writer {
 public:
  /// Opens a metric family. Its samples follow, before the next family.
  void family(std::string_view name, std::string_view type, std::string_view help) {
    text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
    text_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
  }

  template <class Number>
    requires std::integral<Number> || std::floating_point<Number>
  void sample(std::string_view name, std::initializer_list<label> labels, Number value) {
    text_.append(name);
    char separator = '{';
    for (const auto& [key, content] : labels) {
      text_.append(1, separator).append(key).append("=\"");
      append_escaped(content);
      text_.append("\"");
      separator = ',';
    }
    text_.append(separator == ',' ? "} " : " ").append(number(value)).append("\n");
  }

  void sample(std::string_view name, std::initializer_list<label> labels, nanoseconds time) {
    sample(name, labels, std::chrono::duration<double>{time}.count());
  }

  /// The shortest text that reads back as the same number.
  template <class Number>
  static std::string number(Number value) {
    char digits[32];
    auto end = std::to_chars(std::begin(digits), std::end(digits), value).ptr;
    return {digits, end};
  }

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void append_escaped(std::string_view content) {
    for (char character : content) {
      switch (character) {
        case '\\': text_.append("\\\\"); break;
        case '"': text_.append("\\\""); break;
        case '\n': text_.append("\\n"); break;
        default: text_.push_back(character);
      }
    }
  }

  std::string text_;
};

void write_requests(writer& out, const metrics_snapshot& all) {
  constexpr std::array<std::string_view, 5> classes{"1xx", "2xx", "3xx", "4xx", "5xx"};
  out.family("weft_requests_total", "counter", "Requests answered, by route and class of status.");
  for (const auto& route : all.routes) {
    for (std::size_t i = 0; i < classes.size(); ++i) {
      if (i == 0 && route.responses[i] == 0) continue;  // 1xx answers are rare: not worth a series each
      out.sample("weft_requests_total", {{"method", route.method}, {"route", route.path}, {"status", classes[i]}},
                 route.responses[i]);
    }
  }
  out.family("weft_requests_in_flight", "gauge", "Requests begun and not yet answered.");
  out.sample("weft_requests_in_flight", {}, all.in_flight);
  out.family("weft_requests_abandoned_total", "counter", "Requests that ended without an answer.");
  out.sample("weft_requests_abandoned_total", {}, all.abandoned);
}

void write_durations(writer& out, const metrics_snapshot& all) {
  out.family("weft_request_duration_seconds", "histogram", "How long requests took.");
  for (const auto& route : all.routes) {
    auto bucket = [&](std::string_view bound, std::uint64_t count) {
      out.sample("weft_request_duration_seconds_bucket",
                 {{"method", route.method}, {"route", route.path}, {"le", bound}}, count);
    };
    for (auto bound : shown_bounds) {
      bucket(writer::number(std::chrono::duration<double>{bound}.count()), route.latency.count_up_to(bound));
    }
    bucket("+Inf", route.requests());
    out.sample("weft_request_duration_seconds_sum", {{"method", route.method}, {"route", route.path}},
               route.latency_sum);
    out.sample("weft_request_duration_seconds_count", {{"method", route.method}, {"route", route.path}},
               route.requests());
  }
}

void write_times(writer& out, const metrics_snapshot& all) {
  out.family("weft_request_running_seconds_total", "counter", "Time that requests were running, on any core.");
  for (const auto& route : all.routes) {
    out.sample("weft_request_running_seconds_total", {{"method", route.method}, {"route", route.path}},
               route.time.running);
  }
  out.family("weft_request_waiting_seconds_total", "counter", "Time that requests waited, by what they waited for.");
  for (const auto& route : all.routes) {
    for (std::size_t kind = 0; kind < wait_kind_count; ++kind) {
      auto awaited = to_string(static_cast<wait_kind>(kind));
      out.sample("weft_request_waiting_seconds_total",
                 {{"method", route.method}, {"route", route.path}, {"for", awaited}}, route.time.waiting[kind]);
    }
  }
  out.family("weft_request_blocked_in_place_seconds_total", "counter",
             "The part of the waiting in which requests kept an OS thread blocked.");
  for (const auto& route : all.routes) {
    out.sample("weft_request_blocked_in_place_seconds_total", {{"method", route.method}, {"route", route.path}},
               route.time.blocked_in_place);
  }
}

void write_computing(writer& out, const computing_metrics& computing) {
  out.family("weft_compute_calls_total", "counter", "Calls of compute() that have ended, by the place that calls.");
  for (const auto& site : computing.sites) {
    out.sample("weft_compute_calls_total", {{"site", place_of(site)}}, site.calls);
  }
  out.family("weft_compute_seconds_total", "counter", "What they have computed, waits not included.");
  for (const auto& site : computing.sites) {
    out.sample("weft_compute_seconds_total", {{"site", place_of(site)}}, site.total);
  }
  out.family("weft_compute_queued", "gauge", "Computations that wait for their turn on a core.");
  out.sample("weft_compute_queued", {}, computing.carriers.queued);
  out.family("weft_compute_refused_total", "counter", "try_compute() calls that found the queue full.");
  out.sample("weft_compute_refused_total", {}, computing.carriers.refused);
}

/// Under the names that Prometheus' own client libraries use.
void write_process(writer& out, const metrics_snapshot& all) {
  out.family("weft_info", "gauge", "Always 1; its labels say what is running and how.");
  out.sample("weft_info", {{"service", all.service}, {"model", all.model}}, 1);
  out.family("process_cpu_seconds_total", "counter", "CPU time that the process has used.");
  out.sample("process_cpu_seconds_total", {}, all.process.cpu_time);
  out.family("process_cpu_cores", "gauge", "Cores that the process may run on.");
  out.sample("process_cpu_cores", {}, all.process.cores);
  out.family("process_start_time_seconds", "gauge", "When the recording began, in seconds since 1970.");
  out.sample("process_start_time_seconds", {}, nanoseconds{all.started_at.time_since_epoch()});
  if (all.process.threads) {
    out.family("process_threads", "gauge", "OS threads of the process.");
    out.sample("process_threads", {}, *all.process.threads);
  }
  if (all.process.resident_bytes) {
    out.family("process_resident_memory_bytes", "gauge", "Memory of the process that is in RAM.");
    out.sample("process_resident_memory_bytes", {}, *all.process.resident_bytes);
  }
}

}  // namespace

std::string to_prometheus(const metrics_snapshot& all) {
  writer out;
  write_process(out, all);
  write_requests(out, all);
  write_durations(out, all);
  write_times(out, all);
  if (all.computing) write_computing(out, *all.computing);
  return out.take();
}

}  // namespace weft::observe
