#include "options.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "../support/arguments.hpp"

namespace gallery {
namespace {

const std::map<std::string, model> models{
    {"single", model::single}, {"threads", model::threads}, {"pool", model::pool}, {"virtual", model::virtual_threads}};

/// A check for --host. With a port it would match no request.
std::string is_host_name(const std::string& value) {
  const auto is_part = [](unsigned char each) { return std::isalnum(each) || each == '.' || each == '-'; };
  return !value.empty() && value.front() != '-' && std::ranges::all_of(value, is_part)
             ? ""
             : fmt::format("\"{}\" is no host name: give one without a port", value);
}

}  // namespace

std::string_view name(model which) noexcept {
  switch (which) {
    case model::single: return "single";
    case model::threads: return "threads";
    case model::pool: return "pool";
    case model::virtual_threads: return "virtual";
  }
  return "";
}

std::variant<options, exit_code> parse_options(int count, char** arguments) {
  options wanted;
  int patience_ms = static_cast<int>(wanted.moderator_patience.count());
  int client_patience_ms = static_cast<int>(wanted.client_patience.count());
  std::string model_name{name(wanted.model)};
  bool no_access_log = false;
  CLI::App app("A photo service whose requests wait and compute: see README.md");
  app.add_option("--model", model_name, "what requests run on")->check(CLI::IsMember(models))->capture_default_str();
  app.add_option("--address", wanted.address, "the address to listen on; others than this machine's need --token-file")
      ->capture_default_str();
  app.add_option("--port", wanted.port, "the port to listen on; 0 takes a free one")
      ->check(CLI::Range(0, 65'535))
      ->capture_default_str();
  app.add_option("--data", wanted.data, "the folder for photos and database")->check(not_empty)->capture_default_str();
  app.add_option("--key-file", wanted.key_file, "the encryption key (default: `key` in the data folder)")
      ->check(not_empty);
  app.add_option("--moderator", wanted.moderator, "the moderation service's URL")->capture_default_str();
  app.add_option("--moderator-patience-ms", patience_ms, "how long to wait for the moderation service")
      ->check(CLI::Range(1, 600'000))
      ->capture_default_str();
  app.add_option("--client-patience-ms", client_patience_ms,
                 "how long to wait for a client's next bytes, and for room to take its photo")
      ->check(CLI::Range(1, 600'000))
      ->capture_default_str();
  app.add_option("--token-file", wanted.token_file, "whoever changes something must bear the token in this file")
      ->check(not_empty);
  app.add_option("--host", wanted.hosts, "a name that clients know this gallery by, besides its address")
      ->allow_extra_args(false)
      ->check(is_host_name);
  app.add_option("--pool-threads", wanted.pool_threads, "how many threads --model pool has (default: one per core)")
      ->check(CLI::Range(1, 10'000));
  app.add_option("--uploads-at-once", wanted.uploads_at_once, "how many uploads are held in memory")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--max-connections", wanted.max_connections, "how many connections are served at once")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_flag("--no-access-log", no_access_log, "write no access log");
  if (const auto done = parse_arguments(app, count, arguments, "gallery")) return exit_code{*done};
  wanted.model = models.at(model_name);
  wanted.moderator_patience = std::chrono::milliseconds(patience_ms);
  wanted.client_patience = std::chrono::milliseconds(client_patience_ms);
  wanted.access_log = !no_access_log;
  return wanted;
}

}  // namespace gallery
