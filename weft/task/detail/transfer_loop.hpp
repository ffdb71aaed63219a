#pragma once

#include <coroutine>
#include <cstdint>
#include <utility>

#include <weft/stack/detail/machine.hpp>

namespace weft::detail {

/// Resumes coroutines, one after the other, from a place of the stack that stays the same.
///
/// A coroutine goes on with another by symmetric transfer, which is a jump where the compiler makes a tail call of it.
/// Clang always does. GCC does from -O2 on, and not under AddressSanitizer; otherwise each transfer is a call that
/// stays on the stack. So a transfer looks how far the stack has grown below the loop that resumed the task. When that
/// is far enough, the coroutine leaves its successor with the loop and returns; so do all calls above it.
/// Thread: the task that runs in it.
/// Lifetime: on the stack of the coroutines that it resumes.
class transfer_loop {
 public:
  /// How far the stack grows before transfers return to the loop: room for some calls, and little of a small stack.
  static constexpr std::uintptr_t calls_bytes = 4 * std::uintptr_t{1024};

  /// Begins below the caller's frame.
  transfer_loop() noexcept : floor_{stack::machine::stack_end() - calls_bytes} {}
  transfer_loop(const transfer_loop&) = delete;
  transfer_loop& operator=(const transfer_loop&) = delete;

  /// Resumes `first`, and each coroutine that was left here meanwhile. Once the last has suspended, the task may be
  /// running elsewhere, or gone; the loop touches nothing of it.
  void run(std::coroutine_handle<> first) {
    for (auto next = first; next; next = std::exchange(next_, nullptr)) next.resume();
  }

  /// Whether the stack has grown so far that a transfer should return here.
  [[nodiscard]] bool is_far_below() const noexcept { return stack::machine::stack_end() < floor_; }

  /// Leaves `next` here. False: another one waits here, which only a coroutine that the loop did not resume can meet.
  [[nodiscard]] bool leave(std::coroutine_handle<> next) noexcept {
    if (next_) return false;
    next_ = next;
    return true;
  }

  /// The loop of a task that no loop has resumed: nothing is ever left there.
  [[nodiscard]] static transfer_loop& none() noexcept { return none_; }

 private:
  struct none_tag {};
  constexpr explicit transfer_loop(none_tag) noexcept {}

  static transfer_loop none_;

  std::uintptr_t floor_ = 0;
  std::coroutine_handle<> next_;
};

inline constinit transfer_loop transfer_loop::none_{none_tag{}};

}  // namespace weft::detail
