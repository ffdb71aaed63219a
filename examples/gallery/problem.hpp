#pragma once

#include <expected>
#include <string>

namespace gallery {

/// Why a request was not served: what the client is told, in JSON, with this status.
struct problem {
  int status = 500;          ///< the HTTP status
  std::string code = {};     ///< a stable word that programs can compare
  std::string message = {};  ///< a sentence for people: what is wrong and what to do
};

[[nodiscard]] inline problem disk_full() {
  return {507, "disk_full", "the server's disk is full: delete photos or try again when there is room"};
}

/// Made without a message of its own where even that would be too much.
[[nodiscard]] inline problem no_memory() noexcept {
  try {
    return {503, "no_memory", "the server has no memory for this at the moment: try again in a while"};
  } catch (...) {
    return {503, "no_memory", ""};
  }
}

template <class T>
using outcome = std::expected<T, problem>;

/// Why the service cannot start: one line for the person at the terminal.
struct startup_failure {
  std::string message;
};

template <class T>
using startup = std::expected<T, startup_failure>;

}  // namespace gallery
