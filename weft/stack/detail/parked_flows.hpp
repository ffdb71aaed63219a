#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::stack {

/// What a stack_pool asks of whoever knows the flows on its stacks, in order to put away the stacks of those that are
/// parked. `flow` is what occupy() was given.
/// Thread: the one that called stack_pool::put_away().
class parked_flows {
 public:
  /// A number for the wait that `flow` is parked in: of two looks with the same answer, it has been parked from the
  /// first to the second. 0: it is not parked, or its stack has to stay where it is.
  [[nodiscard]] virtual std::uint64_t parked_in(const void* flow) noexcept = 0;

  /// Makes sure that nobody resumes `flow` until let_go(), though its wait may end meanwhile. False: that wait is over.
  [[nodiscard]] virtual bool hold(void* flow, std::uint64_t wait) noexcept = 0;

  /// Of a held flow: the lowest byte of its stack that it needs; null when that is not known.
  [[nodiscard]] virtual const std::byte* lowest_live(const void* flow) noexcept = 0;

  /// A word on the stack of a held flow, and what it will be once the flow is let go.
  struct changed_word {
    const void* address = nullptr;  ///< null: the wait has ended
    std::uint64_t value = 0;
  };
  /// Called while nobody can write to the stack of the held flow, and while others may be stopped in the middle of an
  /// attempt: takes no lock and calls nothing that may, a sanitizer's instrumentation included.
  [[nodiscard]] virtual changed_word when_let_go(const void* flow) noexcept = 0;

  /// Undoes hold(), for a flow whose stack was not put away. Of one that was put away, the word has its new value.
  virtual void let_go(void* flow) noexcept = 0;

 protected:
  ~parked_flows() = default;
};

/// Whose stacks stack_pool::put_away() takes.
enum class patience : std::uint8_t {
  second_scan,  ///< of flows that have been parked since the call before
  none,         ///< of all that are parked
};

/// What one stack_pool::put_away() did.
struct put_away_counts {
  std::size_t put_away = 0;  ///< stacks that take no memory of their own any more
  std::size_t waiting = 0;   ///< of flows that were parked, but not at the call before
};

/// Why no stack can be put away in this process; empty when it can. Tried once.
/// Thread: any.
[[nodiscard]] std::string_view hibernation_obstacle() noexcept;

/// Whether faults still reach weft's handler, without which nobody could touch a stack that was put away. Not once the
/// program has installed a handler for SIGSEGV of its own after weft's.
/// Thread: any.
[[nodiscard]] bool faults_reach_us() noexcept;

/// Brings back the stacks in [begin, begin + bytes) that were put away. For buffers that are about to be handed to the
/// kernel, which fails with EFAULT where a program's own access would have waited. Returns whether any of it lies in a
/// virtual thread's stack.
/// Thread: any. Async-signal-safe.
bool bring_back(const void* begin, std::size_t bytes) noexcept;

/// How often stacks were brought back since the program began.
[[nodiscard]] std::uint64_t brought_back() noexcept;

}  // namespace weft::stack
