#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace gallery {

/// What the operator has to know while the service runs, such as a disk that cannot be written. The first failure is
/// told at once, and as long as it lasts again once a minute; what works again is told too. /health shows it.
/// Thread: any.
class trouble {
 public:
  using tell = std::function<void(std::string_view line)>;
  static constexpr std::chrono::seconds silence{60};

  explicit trouble(tell operator_at) : tell_(std::move(operator_at)) {}

  /// `what` failed, because of `why`.
  void failed(std::string_view what, std::string_view why) noexcept;

  /// What may have failed before works.
  void works() noexcept {
    // relaxed: a hint; clear() looks under the lock
    if (is_there_.load(std::memory_order_relaxed)) clear();
  }

  /// What fails at present, and why.
  [[nodiscard]] std::optional<std::string> current() const;

 private:
  void clear() noexcept;

  const tell tell_;
  std::atomic<bool> is_there_ = false;
  mutable std::mutex lock_;  // guards the rest
  std::string what_;
  std::chrono::steady_clock::time_point told_;
};

}  // namespace gallery
