#pragma once

#include <string>
#include <string_view>

#include <weft/observe/metrics_snapshot.hpp>

namespace weft::observe {

/// The figures as one JSON object. docs/stats.md says what its fields mean.
[[nodiscard]] std::string to_json(const metrics_snapshot& all);

/// The content type of what to_prometheus() returns.
inline constexpr std::string_view prometheus_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// The figures in Prometheus' text exposition format, version 0.0.4.
[[nodiscard]] std::string to_prometheus(const metrics_snapshot& all);

}  // namespace weft::observe
