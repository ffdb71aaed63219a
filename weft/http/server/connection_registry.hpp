#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <weft/base/detail/intrusive_list.hpp>
#include <weft/io/byte_stream.hpp>

namespace weft::http::detail {

// What a connection is doing, in one atomic word:
//   serving --connection: become_idle()--> idle      nothing was received of the next request
//   idle    --connection: become_busy()--> serving
//   idle    --registry: close_idle()-----> closing   for good; the stream is closed
// The exchange of `idle` for one of the other two decides whether a request that arrives just when the server stops
// is served.

/// A connection as the server's stop() sees it.
class live_connection : public base::list_hook {
 public:
  explicit live_connection(byte_stream& stream) noexcept : stream_{stream} {}

  /// Thread: the connection's, as is become_busy(). False: the server has stopped, nothing more is to be received.
  [[nodiscard]] bool become_idle(const std::atomic<bool>& stopping) noexcept {
    // seq_cst, both: either stop() sees this connection idle, or it sees that the server is stopping
    state_.store(state::idle, std::memory_order_seq_cst);
    return !stopping.load(std::memory_order_seq_cst);
  }

  /// False: it was closed meanwhile.
  [[nodiscard]] bool become_busy() noexcept {
    auto seen = state::idle;
    // relaxed: the word carries nothing but itself
    return state_.compare_exchange_strong(seen, state::serving, std::memory_order_relaxed);
  }

 private:
  friend class connection_registry;
  enum class state : std::uint8_t { serving, idle, closing };

  byte_stream& stream_;
  std::atomic<state> state_{state::serving};
};

/// The connections that are open.
/// Thread: any.
class connection_registry {
 public:
  void add(live_connection& connection) {
    std::scoped_lock guard{lock_};
    connections_.push_back(connection);
    ++count_;
  }

  void remove(live_connection& connection) {
    std::scoped_lock guard{lock_};
    base::intrusive_list<live_connection>::remove(connection);
    --count_;
  }

  [[nodiscard]] std::size_t size() const noexcept {
    std::scoped_lock guard{lock_};
    return count_;
  }

  /// Closes those that wait for a request. `stopping` was set before.
  void close_idle();
  /// Closes all, so that whoever waits for a client does not.
  void close_all();

 private:
  // Guards all below; whoever is in it cannot be destroyed meanwhile. Held for system calls that do not wait.
  mutable std::mutex lock_;
  base::intrusive_list<live_connection> connections_;
  std::size_t count_ = 0;
};

}  // namespace weft::http::detail
