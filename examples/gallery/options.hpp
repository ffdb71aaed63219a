#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gallery {

/// On what the requests run.
enum class model {
  single,   ///< one blocking thread, one connection after the other
  threads,  ///< a blocking thread for each connection
  pool,     ///< blocking threads, as many as there are cores or as asked for
  virtual_threads,
};
[[nodiscard]] std::string_view name(model which) noexcept;

/// What the command line asks for.
struct options {
  gallery::model model = gallery::model::virtual_threads;
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  std::filesystem::path data = "gallery-data";
  std::filesystem::path key_file;  ///< empty: in the data folder
  std::string moderator = "http://127.0.0.1:9080";
  std::chrono::milliseconds moderator_patience{5'000};
  std::chrono::milliseconds client_patience{10'000};
  std::string token_file;
  std::vector<std::string> hosts;
  std::size_t pool_threads = 0;  ///< 0: as many as cores
  std::size_t uploads_at_once = 64;
  std::size_t max_connections = 10'000;
  bool access_log = true;
};

/// The options, or with what the program ends at once: after --help, or for options that make no sense.
struct exit_code {
  int value = 0;
};
[[nodiscard]] std::variant<options, exit_code> parse_options(int count, char** arguments);

}  // namespace gallery
