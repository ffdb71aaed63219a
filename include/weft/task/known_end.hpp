#pragma once

#include <cstdint>

#include <weft/task/wait_description.hpp>

namespace weft {

/// What a task does with a channel.
enum class channel_side : std::uint8_t { sends, receives };

namespace detail {
void add_known_end(const void* object, channel_side side);
void remove_known_end(const void* object, channel_side side) noexcept;

/// Adds a wait on the channel `object` for somebody on its `side`: any of those that are known, if that side is.
void describe_channel(wait_description& into, const void* object, channel_side side);
}  // namespace detail

/// Says, for the search for deadlocks, who is at a side of a channel: while any known_end of that side lives, only the
/// tasks that made one send to it, or receive from it, and close it. Who waits for them is then known to wait for them.
/// One that is wrong makes the search find what is none, and nothing else.
///
///   auto producer = spawn([&] { known_end mine{numbers, channel_side::sends}; … });
///
/// Costs nothing where tasks are not tracked but its own making.
/// Thread: made and destroyed by the task it speaks of.
/// Throws std::bad_alloc.
class [[nodiscard]] known_end {
 public:
  template <class Channel>
  known_end(const Channel& channel, channel_side side) : object_{&channel}, side_{side} {
    detail::add_known_end(object_, side_);
  }
  ~known_end() { detail::remove_known_end(object_, side_); }
  known_end(const known_end&) = delete;
  known_end& operator=(const known_end&) = delete;

 private:
  const void* object_;
  channel_side side_;
};

}  // namespace weft
