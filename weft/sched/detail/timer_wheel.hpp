#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include <weft/base/check.hpp>
#include <weft/base/clock.hpp>
#include <weft/sched/detail/runnable.hpp>

namespace weft::sched {

/// A hierarchical timing wheel: 8 levels of 64 slots, ticks of 1,024 ns. Insert, remove and "when is the next" are
/// O(1); a timer moves down at most once a level. Never fires early; timers beyond 9 years are moved nearer.
/// What moves is a node of the wheel's own and not the waiter, which sleeps in memory that left the caches long ago.
/// Nodes are kept for the next timers.
/// Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 6; the level is the highest group
/// of six bits in which the due tick differs from the present one, so a lower level is always due first.
/// Thread: one at a time; the seat brings the lock.
class timer_wheel {
 public:
  static constexpr std::uint64_t never = ~std::uint64_t{0};

  /// Which wait of which task a timer ends, and why.
  struct target {
    runnable* task = nullptr;
    std::uint64_t epoch = 0;
    std::int32_t reason = 0;
  };

  /// Names a timer; out of date once it was popped or removed.
  struct handle {
    std::uint32_t node = 0, serial = 0;
  };

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

  [[nodiscard]] handle insert(std::uint64_t tick, const target& whom) noexcept {
    auto index = take_node();
    auto& made = at(index);
    made.tick = tick > present_ ? tick : present_ + 1;
    made.task = whom.task;
    made.epoch = static_cast<std::uint32_t>(whom.epoch);
    made.reason = whom.reason;
    place(index, made);
    return {index, made.serial};
  }

  /// Does nothing when it was popped before.
  void remove(handle timer) noexcept {
    auto& found = at(timer.node);
    if (found.serial != timer.serial) return;
    unlink(found);
    give_back(timer.node, found);
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

  /// The oldest timer due at or before `tick`, taken out; one without a task when there is none.
  [[nodiscard]] target pop_due(std::uint64_t tick) noexcept {
    for (;;) {
      auto due = next();
      if (due > tick) {
        if (tick > present_) present_ = tick;
        return {};
      }
      present_ = due;
      auto level = static_cast<unsigned>(first_occupied_level());
      auto slot = static_cast<std::uint16_t>(level * slots + ((due >> (level * bits)) & (slots - 1)));
      if (level == 0) {
        auto index = slots_[slot].first;
        auto& found = at(index);
        unlink(found);
        target popped{found.task, found.epoch, found.reason};
        give_back(index, found);
        return popped;
      }
      cascade(slot);
    }
  }

 private:
  static constexpr std::uint64_t tick_nanoseconds = 1024;
  static constexpr unsigned bits = 6, slots = 1u << bits, levels = 8;
  static constexpr std::uint64_t farthest = (std::uint64_t{1} << (bits * levels)) - 1;
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  static constexpr std::size_t chunk_size = 1024;

  struct node {
    std::uint64_t tick = 0;
    runnable* task = nullptr;
    std::uint32_t epoch = 0;
    std::int32_t reason = 0;
    std::uint32_t previous = none, next = none;  // in its slot; of a free node, the next free one
    std::uint32_t serial = 0;                    // counts its timers
    std::uint16_t slot = 0;
  };

  struct list {
    std::uint32_t first = none, last = none;
  };

  static std::uint64_t nanoseconds_of(time_point instant) noexcept {
    auto count = instant.time_since_epoch().count();
    return count > 0 ? static_cast<std::uint64_t>(count) : 0;
  }

  [[nodiscard]] node& at(std::uint32_t index) noexcept { return chunks_[index / chunk_size][index % chunk_size]; }

  [[nodiscard]] std::uint32_t take_node() noexcept {
    if (free_ == none) add_chunk();
    return std::exchange(free_, at(free_).next);
  }
  void give_back(std::uint32_t index, node& over) noexcept {
    ++over.serial;
    over.next = std::exchange(free_, index);
  }
  void add_chunk() noexcept {
    auto first = static_cast<std::uint32_t>(chunks_.size() * chunk_size);
    try {
      chunks_.push_back(std::make_unique<node[]>(chunk_size));
    } catch (const std::bad_alloc&) {
      WEFT_CHECK(false, "no memory for another timer (40 bytes each): lower the number of sleeping tasks");
    }
    for (auto index = first + static_cast<std::uint32_t>(chunk_size); index-- > first;) {
      at(index).next = std::exchange(free_, index);
    }
  }

  void place(std::uint32_t index, node& timer) noexcept {
    auto due = timer.tick;
    auto difference = due ^ present_;
    if (difference > farthest) {
      due = present_ | farthest;
      difference = farthest;
    }
    // A timer due right now, met while cascading, goes into the present slot of level 0, which is looked at next.
    auto level = difference == 0 ? 0u : (static_cast<unsigned>(std::bit_width(difference)) - 1) / bits;
    auto slot = (due >> (level * bits)) & (slots - 1);
    timer.slot = static_cast<std::uint16_t>(level * slots + slot);
    occupied_[level] |= std::uint64_t{1} << slot;
    auto& into = slots_[timer.slot];
    timer.next = none;
    timer.previous = std::exchange(into.last, index);
    (timer.previous == none ? into.first : at(timer.previous).next) = index;
  }

  void unlink(node& timer) noexcept {
    auto& from = slots_[timer.slot];
    (timer.previous == none ? from.first : at(timer.previous).next) = timer.next;
    (timer.next == none ? from.last : at(timer.next).previous) = timer.previous;
    if (from.first == none) occupied_[timer.slot / slots] &= ~(std::uint64_t{1} << (timer.slot % slots));
  }

  void cascade(std::uint16_t slot) noexcept {
    // Taken as a whole: a timer beyond the wheel may fall into the same slot again.
    auto index = std::exchange(slots_[slot], list{}).first;
    occupied_[slot / slots] &= ~(std::uint64_t{1} << (slot % slots));
    while (index != none) {
      auto& moved = at(index);
      place(std::exchange(index, moved.next), moved);
    }
  }

  [[nodiscard]] int first_occupied_level() const noexcept {
    for (unsigned level = 0; level < levels; ++level) {
      if (occupied_[level] != 0) return static_cast<int>(level);
    }
    return -1;
  }

  std::uint64_t present_ = 0;
  std::array<std::uint64_t, levels> occupied_{};
  std::array<list, std::size_t{slots} * levels> slots_;
  std::vector<std::unique_ptr<node[]>> chunks_;
  std::uint32_t free_ = none;
};

}  // namespace weft::sched
