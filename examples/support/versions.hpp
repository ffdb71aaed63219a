#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

/// How one version of a classic program went.
struct verdict {
  std::string version;
  bool is_right = false;
  std::string what;    ///< what went right or wrong, in a few words
  std::string report;  ///< lines that say more; may be empty
  double milliseconds = 0;
};

/// Prints verdicts as a table, in colour where the output is a terminal that wants it, or as JSON.
class verdict_printer {
 public:
  /// Reads `--json`. Ends the program with 1 and a line on stderr after any other argument, with 0 after --help.
  verdict_printer(std::string_view program, int count, char** arguments) : program_{program} {
    for (int i = 1; i < count; ++i) {
      const std::string_view word = arguments[i];
      if (word == "--json") {
        json_ = true;
      } else if (word == "--help") {
        std::printf("%s: shows a classic of concurrency in four versions, one of them broken. --json: as JSON\n",
                    program_.c_str());
        std::exit(0);
      } else {
        std::fprintf(stderr, "%s: %s is not known; --help tells what there is\n", program_.c_str(), arguments[i]);
        std::exit(1);
      }
    }
    colour_ = !json_ && isatty(STDOUT_FILENO) != 0 && !std::getenv("NO_COLOR");
  }

  /// Runs one version, measures it, and prints how it went.
  template <class F>
  void run(std::string_view version, F&& f) {
    const auto start = std::chrono::steady_clock::now();
    verdict outcome = f();
    outcome.version = version;
    outcome.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (!json_) print(outcome);
    all_.push_back(std::move(outcome));
  }

  /// The program's exit code: 0 when the broken version, the first, went wrong and the others right.
  [[nodiscard]] int finish() const {
    if (json_) print_json();
    bool as_expected = !all_.empty() && !all_.front().is_right;
    for (std::size_t i = 1; i < all_.size(); ++i) as_expected &= all_[i].is_right;
    return as_expected ? 0 : 1;
  }

 private:
  void print(const verdict& each) const {
    const char* on = !colour_ ? "" : each.is_right ? "\033[32m" : "\033[31m";
    std::printf("  %-16s %s%-5s%s %9.1f ms  %s\n", each.version.c_str(), on, each.is_right ? "right" : "WRONG",
                colour_ ? "\033[0m" : "", each.milliseconds, each.what.c_str());
    for (std::size_t from = 0, to = 0; from < each.report.size(); from = to + 1) {
      to = std::min(each.report.find('\n', from), each.report.size());
      std::printf("      %s\n", each.report.substr(from, to - from).c_str());
    }
  }

  static std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char each : text) {
      if (each == '"' || each == '\\') out += '\\';
      if (each == '\n') {
        out += "\\n";
      } else {
        out += each;
      }
    }
    return out + '"';
  }

  void print_json() const {
    std::printf("{\"program\": %s, \"versions\": [", quoted(program_).c_str());
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const auto& each = all_[i];
      std::printf("%s\n  {\"version\": %s, \"right\": %s, \"milliseconds\": %.3f, \"what\": %s, \"report\": %s}",
                  i == 0 ? "" : ",", quoted(each.version).c_str(), each.is_right ? "true" : "false", each.milliseconds,
                  quoted(each.what).c_str(), quoted(each.report).c_str());
    }
    std::printf("\n]}\n");
  }

  std::string program_;
  bool json_ = false;
  bool colour_ = false;
  std::vector<verdict> all_;
};
