#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <weft/observe/format.hpp>

#include "tests/support/sample_metrics.hpp"

namespace weft::observe {
namespace {

using nlohmann::json;

TEST(to_json, says_what_runs_how_and_since_when) {
  auto stats = json::parse(to_json(sample_metrics()));
  EXPECT_EQ(stats["service"], "gallery");
  EXPECT_EQ(stats["model"], "virtual");
  EXPECT_EQ(stats["started_at"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(stats["uptime_seconds"], 12.5);
  EXPECT_EQ(stats["in_flight"], 3);
  EXPECT_EQ(stats["abandoned"], 1);
  EXPECT_EQ(stats["process"],
            (json{{"cpu_seconds", 1.5}, {"cores", 2}, {"threads", 5}, {"resident_bytes", 9'000'000}}));
}

TEST(to_json, says_what_compute_costs_by_call_site) {
  auto computing = json::parse(to_json(sample_metrics()))["computing"];
  EXPECT_EQ(computing["carriers"], 2);
  EXPECT_EQ(computing["queued"], 4);
  EXPECT_EQ(computing["refused"], 5);
  EXPECT_EQ(computing["sites"],
            (json{{{"called_at", computing_place}, {"calls", 8}, {"total_seconds", 1.25}, {"longest_seconds", 0.5}}}));
  auto idle = sample_metrics();
  idle.computing.reset();
  EXPECT_FALSE(json::parse(to_json(idle)).contains("computing"));
}

TEST(to_json, gives_every_figure_of_a_route_in_seconds) {
  auto stats = json::parse(to_json(sample_metrics()));
  const auto& upload = stats["routes"][0];
  EXPECT_EQ(upload["method"], "POST");
  EXPECT_EQ(upload["path"], "/photos");
  EXPECT_EQ(upload["requests"], 100);
  EXPECT_EQ(upload["rejected"], 0);
  EXPECT_EQ(upload["errors"], 1);
  const auto& latency = upload["latency_seconds"];
  EXPECT_DOUBLE_EQ(latency["mean"].get<double>(), 0.119);
  EXPECT_NEAR(latency["p50"].get<double>(), 0.1, 0.01);
  EXPECT_NEAR(latency["p99"].get<double>(), 0.1, 0.01);
  EXPECT_EQ(latency["max"], 2.0);
  EXPECT_EQ(latency["buckets"], json::parse("[[0.1, 99], [2.0, 1]]"));
  const auto& time = upload["time_seconds"];
  EXPECT_DOUBLE_EQ(time["waiting"]["socket"].get<double>(), 9.0);
  EXPECT_DOUBLE_EQ(time["waiting"]["file"].get<double>(), 0.5);
  EXPECT_EQ(time["waiting"]["compute"], 0.0);
  EXPECT_EQ(time["waiting"].size(), wait_kind_count);
  EXPECT_DOUBLE_EQ(time["blocked_in_place"].get<double>(), 0.25);
  EXPECT_DOUBLE_EQ(time["running"].get<double>(), 99 * 0.005 + 1.905);
  EXPECT_DOUBLE_EQ(time["total"].get<double>(), 11.9);
  EXPECT_EQ(upload["verdict"], "I/O-bound");
  EXPECT_DOUBLE_EQ(upload["cpu_idle_share"].get<double>(), 9.5 / 11.9);
}

TEST(to_json, gives_no_percentile_beyond_what_was_seen) {
  auto stats = json::parse(to_json(sample_metrics()));
  const auto& odd = stats["routes"][1];
  EXPECT_LE(odd["latency_seconds"]["p99"].get<double>(), 0.003);
  EXPECT_EQ(odd["path"], "/a\"b\\c\nd");
  EXPECT_EQ(odd["verdict"], "CPU-bound");
}

TEST(to_json, gives_an_unused_route_zeros) {
  auto stats = json::parse(to_json(sample_metrics()));
  const auto& unused = stats["routes"][2];
  EXPECT_EQ(unused["requests"], 0);
  EXPECT_EQ(unused["latency_seconds"]["p99"], 0.0);
  EXPECT_TRUE(unused["latency_seconds"]["buckets"].empty());
  EXPECT_EQ(unused["verdict"], "unknown");
}

TEST(to_json, bounds_what_took_longer_than_100_s_by_nothing) {
  using namespace std::chrono_literals;
  recorder recorder;
  recorder.add_route("GET", "/").record(101s, {}, 200);
  auto stats = json::parse(to_json(recorder.snapshot()));
  EXPECT_EQ(stats["routes"][0]["latency_seconds"]["buckets"], json::parse("[[null, 1]]"));
}

TEST(to_json, stays_readable_when_a_name_is_not_utf_8) {
  recorder recorder{{.service = "\xff\xfe", .model = {}}};
  EXPECT_NO_THROW({ auto parsed = json::parse(to_json(recorder.snapshot())); });
}

}  // namespace
}  // namespace weft::observe
