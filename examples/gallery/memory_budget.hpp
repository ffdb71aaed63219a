#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <utility>

#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>

namespace gallery {

/// How much memory may be in use at once for something; who wants more than is left waits for it, first come, first
/// served.
/// Thread: any.
class memory_budget {
 public:
  explicit memory_budget(std::size_t total_bytes)
      : units_(std::max<std::size_t>(1, total_bytes / unit_bytes)), left_(units_) {}

  /// A part of the budget, given back at the end of its life.
  class share {
   public:
    share(share&& other) noexcept : owner_(other.owner_), units_(std::exchange(other.units_, 0)) {}
    share& operator=(share&&) = delete;
    ~share() {
      if (units_ > 0) owner_.left_.release(units_);
    }

   private:
    friend class memory_budget;
    explicit share(memory_budget& owner) noexcept : owner_(owner) {}
    memory_budget& owner_;
    std::size_t units_ = 0;
  };

  [[nodiscard]] std::size_t total_bytes() const noexcept { return units_ * unit_bytes; }

  /// Waits until there is as much left. More than the whole budget is no more than that: look at total_bytes() before.
  /// Parks.
  /// Cancel: has taken nothing.
  [[nodiscard]] weft::result<share> take(std::size_t wanted_bytes) {
    const std::size_t wanted = std::clamp<std::size_t>((wanted_bytes + unit_bytes - 1) / unit_bytes, 1, units_);
    share taken(*this);
    // One at a time: two that have each taken half of what they want would wait for each other.
    if (auto turn = weft::await(collecting_.async_lock()); !turn) return std::unexpected(turn.error());
    const std::unique_lock<weft::mutex> unlock_at_end(collecting_, std::adopt_lock);
    for (; taken.units_ < wanted; ++taken.units_) {
      if (auto one = left_.acquire(); !one) return std::unexpected(one.error());
    }
    return taken;
  }

 private:
  static constexpr std::size_t unit_bytes = std::size_t{1} << 20;

  std::size_t units_;
  weft::mutex collecting_;
  weft::semaphore left_;
};

}  // namespace gallery
