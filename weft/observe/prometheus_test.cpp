#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include <weft/observe/format.hpp>

#include "tests/support/sample_metrics.hpp"

namespace weft::observe {
namespace {

using labels = std::map<std::string, std::string>;

/// What a Prometheus server would take from a text in exposition format 0.0.4. Refuses, by a failed expectation, what
/// breaks the format: a sample outside its family, a family twice, a series twice, a name or an escape that is not
/// allowed.
class exposition {
 public:
  explicit exposition(const std::string& text) {
    EXPECT_TRUE(text.ends_with('\n')) << "the last line ends with a line feed";
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) read(line);
  }

  std::map<std::string, std::string> types;
  std::map<std::string, std::map<labels, double>> samples;

  [[nodiscard]] double at(const std::string& name, const labels& of) const { return samples.at(name).at(of); }

 private:
  void read(const std::string& line) {
    static const std::regex help{R"(# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ([^\\]|\\\\|\\n)+)"};
    static const std::regex type{R"(# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram))"};
    static const std::regex sample{R"(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (\S+))"};
    std::smatch parts;
    if (std::regex_match(line, parts, help)) {
      EXPECT_TRUE(helped_.insert(parts[1]).second) << "two HELP lines: " << line;
    } else if (std::regex_match(line, parts, type)) {
      family_ = parts[1];
      EXPECT_TRUE(helped_.contains(family_)) << "TYPE before HELP: " << line;
      EXPECT_TRUE(types.emplace(family_, parts[2]).second) << "the family is split in two: " << line;
    } else if (std::regex_match(line, parts, sample)) {
      EXPECT_TRUE(belongs(parts[1])) << "a sample outside its family: " << line;
      auto stored = samples[parts[1]].emplace(read_labels(parts[3]), std::stod(parts[4]));
      EXPECT_TRUE(stored.second) << "the same series twice: " << line;
    } else {
      ADD_FAILURE() << "not a line of the format: " << line;
    }
  }

  [[nodiscard]] bool belongs(const std::string& name) const {
    if (types.at(family_) != "histogram") return name == family_;
    return name == family_ + "_bucket" || name == family_ + "_sum" || name == family_ + "_count";
  }

  static labels read_labels(const std::string& text) {
    static const std::regex one{R"re(([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\\\|\\"|\\n)*)"(,|$))re"};
    labels made;
    auto next = text.cbegin();
    for (std::smatch parts; next != text.cend(); next = parts[0].second) {
      if (!std::regex_search(next, text.cend(), parts, one, std::regex_constants::match_continuous)) {
        ADD_FAILURE() << "not a label: " << std::string(next, text.cend());
        break;
      }
      EXPECT_TRUE(made.emplace(parts[1], unescaped(parts[2])).second) << "the same label twice: " << text;
    }
    return made;
  }

  static std::string unescaped(const std::string& text) {
    std::string made;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        made.push_back(text[i]);
      } else {
        made.push_back(text[++i] == 'n' ? '\n' : text[i]);
      }
    }
    return made;
  }

  std::string family_;
  std::set<std::string> helped_;
};

TEST(to_prometheus, keeps_to_the_format_and_gives_each_family_its_type) {
  exposition read{to_prometheus(sample_metrics())};
  EXPECT_EQ(read.types.at("weft_requests_total"), "counter");
  EXPECT_EQ(read.types.at("weft_request_duration_seconds"), "histogram");
  EXPECT_EQ(read.types.at("weft_request_running_seconds_total"), "counter");
  EXPECT_EQ(read.types.at("weft_request_waiting_seconds_total"), "counter");
  EXPECT_EQ(read.types.at("weft_requests_in_flight"), "gauge");
}

TEST(to_prometheus, gives_counts_and_times_by_route) {
  exposition read{to_prometheus(sample_metrics())};
  auto of = [](labels more) {
    more.insert({{"method", "POST"}, {"route", "/photos"}});
    return more;
  };
  EXPECT_EQ(read.at("weft_requests_total", of({{"status", "2xx"}})), 99);
  EXPECT_EQ(read.at("weft_requests_total", of({{"status", "5xx"}})), 1);
  EXPECT_DOUBLE_EQ(read.at("weft_request_running_seconds_total", of({})), 2.4);
  EXPECT_DOUBLE_EQ(read.at("weft_request_waiting_seconds_total", of({{"for", "socket"}})), 9.0);
  EXPECT_DOUBLE_EQ(read.at("weft_request_blocked_in_place_seconds_total", of({})), 0.25);
  EXPECT_EQ(read.at("weft_requests_in_flight", {}), 3);
  EXPECT_EQ(read.at("weft_requests_abandoned_total", {}), 1);
}

TEST(to_prometheus, gives_cumulative_buckets_that_end_at_the_count) {
  exposition read{to_prometheus(sample_metrics())};
  std::map<labels, std::map<double, double>> histograms;
  for (const auto& [series, value] : read.samples.at("weft_request_duration_seconds_bucket")) {
    auto of = series;
    of.erase("le");
    histograms[of][std::stod(series.at("le"))] = value;  // stod reads +Inf as well
  }
  ASSERT_EQ(histograms.size(), 3u);
  for (const auto& [of, buckets] : histograms) {
    double before = 0;
    for (auto [bound, value] : buckets) {
      EXPECT_GE(value, before) << bound;
      before = value;
    }
    EXPECT_EQ(buckets.rbegin()->first, std::numeric_limits<double>::infinity());
    EXPECT_EQ(before, read.at("weft_request_duration_seconds_count", of));
  }
  const auto& upload = histograms.at({{"method", "POST"}, {"route", "/photos"}});
  EXPECT_EQ(upload.at(0.05), 0);
  EXPECT_EQ(upload.at(0.1), 99);
  EXPECT_EQ(upload.at(1), 99);
  EXPECT_EQ(upload.at(2.5), 100);
  EXPECT_DOUBLE_EQ(read.at("weft_request_duration_seconds_sum", {{"method", "POST"}, {"route", "/photos"}}), 11.9);
}

TEST(to_prometheus, escapes_what_a_label_may_not_hold) {
  exposition read{to_prometheus(sample_metrics())};
  EXPECT_EQ(read.at("weft_request_duration_seconds_count", {{"method", "GET"}, {"route", "/a\"b\\c\nd"}}), 2);
}

TEST(to_prometheus, says_what_the_process_uses_under_the_customary_names) {
  exposition read{to_prometheus(sample_metrics())};
  EXPECT_EQ(read.at("weft_info", {{"service", "gallery"}, {"model", "virtual"}}), 1);
  EXPECT_EQ(read.at("process_cpu_seconds_total", {}), 1.5);
  EXPECT_EQ(read.at("process_start_time_seconds", {}), 1'700'000'000);
  EXPECT_EQ(read.at("process_resident_memory_bytes", {}), 9'000'000);
  EXPECT_EQ(read.at("process_threads", {}), 5);
}

TEST(to_prometheus, says_what_compute_costs_by_call_site) {
  exposition read{to_prometheus(sample_metrics())};
  EXPECT_EQ(read.at("weft_compute_calls_total", {{"site", computing_place}}), 8);
  EXPECT_EQ(read.at("weft_compute_seconds_total", {{"site", computing_place}}), 1.25);
  EXPECT_EQ(read.at("weft_compute_queued", {}), 4);
  EXPECT_EQ(read.at("weft_compute_refused_total", {}), 5);
}

TEST(to_prometheus, leaves_out_what_the_operating_system_does_not_say) {
  auto all = sample_metrics();
  all.process.threads.reset();
  all.process.resident_bytes.reset();
  exposition read{to_prometheus(all)};
  EXPECT_FALSE(read.types.contains("process_threads"));
  EXPECT_FALSE(read.types.contains("process_resident_memory_bytes"));
}

}  // namespace
}  // namespace weft::observe
