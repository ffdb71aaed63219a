#pragma once

#include <array>
#include <chrono>
#include <string_view>

namespace weft::http::detail {

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), formatted at most once a second.
/// Thread: owner.
class date_cache {
 public:
  /// Lifetime: until the next call.
  [[nodiscard]] std::string_view at(std::chrono::system_clock::time_point when) noexcept {
    auto second = std::chrono::floor<std::chrono::seconds>(when);
    if (second != second_) format(second);
    return {text_.data(), text_.size()};
  }

 private:
  void format(std::chrono::sys_seconds second) noexcept;

  std::chrono::sys_seconds second_ = std::chrono::sys_seconds::min();
  std::array<char, 29> text_{};
};

}  // namespace weft::http::detail
