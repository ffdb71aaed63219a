#pragma once

#include <cstdint>

#include <weft/task/detail/wait_description.hpp>

namespace weft {

/// What a task does with a channel.
enum class channel_side : std::uint8_t { sends, receives };

namespace detail {
void add_channel_user(const void* object, channel_side side);
void remove_channel_user(const void* object, channel_side side) noexcept;

/// Adds a wait on the channel `object` for somebody on its `side`: any of those that are known, if that side is.
void describe_channel(wait_description& into, const void* object, channel_side side);
}  // namespace detail

/// Says, for the search for deadlocks, who is at a side of a channel: while any channel_user of that side lives, only
/// the tasks that made one send to it, or receive from it, and close it. Who waits for them is then known to wait for
/// them. One that is wrong makes the search find what is none, and nothing else.
///
///   auto producer = spawn([&] { channel_user mine{numbers, channel_side::sends}; … });
///
/// Costs nothing where tasks are not tracked but its own making.
/// Thread: made and destroyed by the task it speaks of.
/// Throws std::bad_alloc.
class [[nodiscard]] channel_user {
 public:
  template <class Channel>
  channel_user(const Channel& channel, channel_side side) : object_{&channel}, side_{side} {
    detail::add_channel_user(object_, side_);
  }
  ~channel_user() { detail::remove_channel_user(object_, side_); }
  channel_user(const channel_user&) = delete;
  channel_user& operator=(const channel_user&) = delete;

 private:
  const void* object_;
  channel_side side_;
};

}  // namespace weft
