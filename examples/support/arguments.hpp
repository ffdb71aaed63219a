#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

/// Reads a program's arguments. Returns with which code it ends at once: 0 after --help, 1 after one line on stderr
/// about arguments that make no sense; nothing if it goes on.
inline std::optional<int> parse_arguments(CLI::App& app, int count, char** arguments, std::string_view program) {
  app.failure_message([program](const CLI::App*, const CLI::Error& wrong) {
    return fmt::format("{}: {}; --help tells what there is\n", program, wrong.what());
  });
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : 1;
  }
  return std::nullopt;
}

/// A check for options: anything but nothing.
inline std::string not_empty(const std::string& value) { return value.empty() ? "is empty" : ""; }
