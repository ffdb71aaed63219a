#pragma once

#include <atomic>
#include <cstdint>

#include <weft/base/result.hpp>

namespace weft::io {

// Wakes a reactor out of its wait, with one system call however often it is asked.
//
//   awake      not waiting; a wake-up only has to be remembered
//   waiting    in the kernel, or about to enter it: a wake-up writes to the eventfd
//   notified   woken since the last wait: the next one does not happen
//
// The eventfd is watched for changes (edge-triggered), so that nobody ever reads it.

/// Thread: wake() any; the rest the reactor's.
class wake_state {
 public:
  /// Makes the eventfd.
  [[nodiscard]] static result<int> make_eventfd();

  /// False: woken already, do not wait.
  [[nodiscard]] bool begin_wait() noexcept {
    auto seen = state::awake;
    // acquire on failure: sees what was done before wake(); relaxed: publishes nothing
    if (state_.compare_exchange_strong(seen, state::waiting, std::memory_order_relaxed, std::memory_order_acquire)) {
      return true;
    }
    end_wait();
    return false;
  }

  /// Consumes whatever wake-up there was.
  void end_wait() noexcept {
    // acquire: sees what was done before wake()
    state_.exchange(state::awake, std::memory_order_acquire);
  }

  void wake(int eventfd) noexcept;

 private:
  enum class state : std::uint8_t { awake, waiting, notified };
  std::atomic<state> state_{state::awake};
};

}  // namespace weft::io
