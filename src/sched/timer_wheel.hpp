#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include <weft/base/clock.hpp>
#include <weft/base/intrusive_list.hpp>
#include <weft/sched/timer.hpp>

namespace weft::sched {

/// A hierarchical timing wheel: 8 levels of 64 slots, ticks of 1,024 ns. Insert, remove and "when is the next" are
/// O(1); a timer moves down at most once a level. Never fires early; timers beyond 9 years are moved nearer.
/// Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 6; the level is the highest group
/// of six bits in which the due tick differs from the present one, so a lower level is always due first.
/// Thread: one at a time; the seat brings the lock.
class timer_wheel {
 public:
  static constexpr std::uint64_t never = ~std::uint64_t{0};

  [[nodiscard]] static std::uint64_t tick_at_or_after(time_point instant) noexcept {
    return (nanoseconds_of(instant) + tick_nanoseconds - 1) / tick_nanoseconds;
  }
  [[nodiscard]] static std::uint64_t tick_before_or_at(time_point instant) noexcept {
    return nanoseconds_of(instant) / tick_nanoseconds;
  }
  [[nodiscard]] static time_point instant_of(std::uint64_t tick) noexcept {
    constexpr auto last = static_cast<std::uint64_t>(no_deadline.time_since_epoch().count()) / tick_nanoseconds;
    if (tick >= last) return no_deadline;
    return time_point{std::chrono::nanoseconds{static_cast<std::int64_t>(tick * tick_nanoseconds)}};
  }

  void insert(timer_entry& entry) noexcept {
    if (entry.tick_ <= present_) entry.tick_ = present_ + 1;
    place(entry);
  }

  void remove(timer_entry& entry) noexcept {
    base::intrusive_list<timer_entry>::remove(entry);
    clear_if_empty(entry.slot_);
  }

  /// A lower bound of the tick at which something is due, exact for those due within 64 ticks; `never` when empty.
  [[nodiscard]] std::uint64_t next() const noexcept {
    for (unsigned level = 0; level < levels; ++level) {
      if (occupied_[level] == 0) continue;
      auto slot = static_cast<std::uint64_t>(std::countr_zero(occupied_[level]));
      auto shift = level * bits;
      return ((present_ >> (shift + bits)) << (shift + bits)) | (slot << shift);
    }
    return never;
  }

  /// The oldest timer due at or before `tick`, taken out; null when there is none.
  [[nodiscard]] timer_entry* pop_due(std::uint64_t tick) noexcept {
    for (;;) {
      auto due = next();
      if (due > tick) {
        if (tick > present_) present_ = tick;
        return nullptr;
      }
      present_ = due;
      auto level = static_cast<unsigned>(first_occupied_level());
      auto slot = level * slots + ((due >> (level * bits)) & (slots - 1));
      if (level == 0) {
        auto* entry = slots_[slot].pop_front();
        clear_if_empty(static_cast<std::uint16_t>(slot));
        if (entry) return entry;
      } else {
        cascade(static_cast<std::uint16_t>(slot));
      }
    }
  }

 private:
  static constexpr std::uint64_t tick_nanoseconds = 1024;
  static constexpr unsigned bits = 6, slots = 1u << bits, levels = 8;
  static constexpr std::uint64_t farthest = (std::uint64_t{1} << (bits * levels)) - 1;

  static std::uint64_t nanoseconds_of(time_point instant) noexcept {
    auto count = instant.time_since_epoch().count();
    return count > 0 ? static_cast<std::uint64_t>(count) : 0;
  }

  void place(timer_entry& entry) noexcept {
    auto due = entry.tick_;
    auto difference = due ^ present_;
    if (difference > farthest) {
      due = present_ | farthest;
      difference = farthest;
    }
    // A timer due right now, met while cascading, goes into the present slot of level 0, which is looked at next.
    auto level = difference == 0 ? 0u : (static_cast<unsigned>(std::bit_width(difference)) - 1) / bits;
    auto slot = (due >> (level * bits)) & (slots - 1);
    entry.slot_ = static_cast<std::uint16_t>(level * slots + slot);
    occupied_[level] |= std::uint64_t{1} << slot;
    slots_[entry.slot_].push_back(entry);
  }

  void cascade(std::uint16_t slot) noexcept {
    // A timer beyond the wheel may fall into the same slot again: stop at the last one that was there.
    auto* first = slots_[slot].front();
    auto* last = slots_[slot].back();
    while (first) {
      auto* entry = slots_[slot].pop_front();
      clear_if_empty(slot);
      place(*entry);
      if (entry == last) break;
    }
    clear_if_empty(slot);
  }

  [[nodiscard]] int first_occupied_level() const noexcept {
    for (unsigned level = 0; level < levels; ++level) {
      if (occupied_[level] != 0) return static_cast<int>(level);
    }
    return -1;
  }

  void clear_if_empty(std::uint16_t slot) noexcept {
    if (slots_[slot].empty()) occupied_[slot / slots] &= ~(std::uint64_t{1} << (slot % slots));
  }

  std::uint64_t present_ = 0;
  std::array<std::uint64_t, levels> occupied_{};
  std::array<base::intrusive_list<timer_entry>, std::size_t{slots} * levels> slots_;
};

}  // namespace weft::sched
