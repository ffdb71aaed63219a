#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace gallery {

/// Slows down guesses of the token. A few wrong ones are free; each further one makes its sender wait twice as long as
/// the one before, and tokens that come meanwhile are not looked at. A right one ends that.
/// A sender is an address, or the network of 64 bits that an IPv6 address lies in: one machine has all of that.
/// Thread: any.
class guess_limit {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr unsigned free_guesses = 5;
  static constexpr std::chrono::seconds shortest_wait{1};
  static constexpr std::chrono::seconds longest_wait{60};
  static constexpr std::size_t most_senders = 4096;  ///< beyond, the one that guessed longest ago is forgotten

  /// How long this sender still has to wait; nothing if its token may be looked at.
  [[nodiscard]] std::optional<std::chrono::seconds> wait_of(std::string_view peer, time_point now);

  void wrong(std::string_view peer, time_point now);
  void right(std::string_view peer);

 private:
  struct record {
    unsigned guesses = 0;
    time_point last = {};
    time_point until = {};
  };
  void forget_one();

  std::mutex lock_;  // held for a look-up
  std::map<std::string, record, std::less<>> senders_;
};

}  // namespace gallery
