#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace weft::http::detail {

// One block of memory that bytes are received into and parsed from.
//
//     [ pinned: heads that views point into | unread | free ]
//
// A message's head stays where it was parsed while the message is being served: pin() fixes everything consumed so far.
// When the rest of the block gets too small, the unread bytes move to a new block and the old one is kept until
// unpin(). Between messages nothing is pinned, and the block is used from its start again.

/// Received bytes that were not consumed yet.
/// Thread: the connection's.
/// Lifetime: views into unread() hold until the next make_room(), pinned ones until unpin().
class input_buffer {
 public:
  [[nodiscard]] std::string_view unread() const noexcept { return {block_.get() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes) noexcept { begin_ += bytes; }

  /// Room for at least `bytes` more unread ones; what is there is more, often.
  [[nodiscard]] std::span<std::byte> make_room(std::size_t bytes);
  /// The first `bytes` of the room were filled.
  void received(std::size_t bytes) noexcept { end_ += bytes; }

  /// Views into what was consumed hold from now on.
  void pin() noexcept { pinned_ = begin_; }
  void unpin() noexcept;

 private:
  std::unique_ptr<char[]> block_;
  std::size_t capacity_ = 0;
  std::size_t pinned_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::vector<std::unique_ptr<char[]>> retired_;
};

}  // namespace weft::http::detail
