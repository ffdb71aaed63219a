#pragma once

#include <cstdint>

namespace weft::base {

/// A small, fast pseudo-random generator for scheduling decisions, not for secrets.
/// Source: Vigna, "xorshift* generators", the 64-bit variant seeded through splitmix64.
/// Thread: owner.
class random {
 public:
  explicit constexpr random(std::uint64_t seed) noexcept {
    seed += 0x9e3779b97f4a7c15u;
    seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9u;
    seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebu;
    state_ = (seed ^ (seed >> 31)) | 1u;
  }

  constexpr std::uint64_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du;
  }

  /// A number below `bound`, which is at least 1. Multiply-shift: no division.
  constexpr std::uint32_t below(std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace weft::base
