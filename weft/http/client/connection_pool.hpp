#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <weft/base/clock.hpp>
#include <weft/io/byte_stream.hpp>

#include "weft/http/server/connection_buffers.hpp"

namespace weft::http::detail {

/// A client's end of a connection.
struct client_connection {
  client_connection(std::unique_ptr<byte_stream> connected, duration send_timeout)
      : stream{std::move(connected)}, buffers{*stream, send_timeout} {}

  std::unique_ptr<byte_stream> stream;
  connection_buffers buffers;
  time_point idle_since{};
};

/// Connections that wait for their next request, by "host:port".
/// Thread: any.
class connection_pool {
 public:
  connection_pool(std::size_t most_per_host, duration idle_timeout) noexcept
      : most_per_host_{most_per_host}, idle_timeout_{idle_timeout} {}

  /// The one that was used last, since it is the least likely to have been closed; null when there is none.
  [[nodiscard]] std::unique_ptr<client_connection> take(const std::string& host);
  void give_back(const std::string& host, std::unique_ptr<client_connection> connection);
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  using connections = std::vector<std::unique_ptr<client_connection>>;

  std::size_t most_per_host_;
  duration idle_timeout_;
  mutable std::mutex lock_;  // guards by_host_; never held while waiting
  std::unordered_map<std::string, connections> by_host_;
};

}  // namespace weft::http::detail
