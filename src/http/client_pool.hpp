#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "http/client_connection.hpp"

namespace weft::http::detail {

/// A client's connections that have no request.
/// Thread: any. The mutex is held for a few instructions and never while waiting.
struct client_pool {
  explicit client_pool(client_options wanted) : options{std::move(wanted)} {}

  /// The one used last, which is the likeliest to be open still; null when none is young enough.
  [[nodiscard]] std::unique_ptr<client_connection> take(const std::string& key);
  void keep(std::unique_ptr<client_connection> connection);

  const client_options options;

 private:
  std::mutex mutex_;  // guards idle_
  std::map<std::string, std::vector<std::unique_ptr<client_connection>>, std::less<>> idle_;
};

}  // namespace weft::http::detail
