#pragma once

#include <pthread.h>
#include <csignal>

#include <cstdlib>
#include <functional>
#include <thread>
#include <utility>

/// Waits for SIGINT and SIGTERM on a thread of its own, so that what they start need not be safe in a signal handler.
/// Made before all other threads, which inherit that these signals are blocked.
class termination {
 public:
  termination() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  termination(const termination&) = delete;
  termination& operator=(const termination&) = delete;
  ~termination() { stop_waiting(); }

  /// Calls `stop` for the first signal. The second one ends the program on the spot.
  void then(std::function<void()> stop) {
    waiting_ = std::jthread([this, stop = std::move(stop)](const std::stop_token& ended) {
      for (int count = 0;; ++count) {
        int signal = 0;
        sigwait(&signals_, &signal);
        if (ended.stop_requested()) return;
        if (count > 0) std::_Exit(128 + signal);
        stop();
      }
    });
  }

  /// `stop` is not called any more from here on.
  void stop_waiting() {
    if (!waiting_.joinable()) return;
    waiting_.request_stop();
    pthread_kill(waiting_.native_handle(), SIGTERM);
    waiting_.join();
  }

 private:
  sigset_t signals_{};
  std::jthread waiting_;
};
