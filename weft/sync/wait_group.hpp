#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <weft/base/result.hpp>
#include <weft/sync/detail/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// A number of things under way, that goes up and down, and whoever waits until there are none. Where the things are
/// tasks, a scope does the same and can lose none.
/// Thread: any, for every member: tasks of either kind and plain OS threads.
/// Order: what was done before each done() is visible to whoever wait() tells that none is left.
/// Lifetime: destroyed when nobody waits; the destructor checks. A done() that is returning does no harm.
class wait_group {
 public:
  explicit wait_group(std::size_t count = 0) noexcept : count_{count} {}
  ~wait_group() {
    queue_.check_nobody_waits("a wait_group is destroyed when nobody waits for it: join the waiters first",
                              "wait_group", this);
  }

  /// `count` more are under way. Before the one that might be the last is done.
  void add(std::size_t count = 1) noexcept;

  /// One is not under way any more. The last lets all waiters go on, the first first. Does not wait; a virtual thread
  /// lets others run each time it has woken 64.
  void done() noexcept;

  /// How many are under way. May be old at once.
  [[nodiscard]] std::size_t count() const noexcept {
    // acquire: who sees none sees what was done before each done()
    return count_.load(std::memory_order_acquire);
  }

  using wait_operation = detail::gate_wait<wait_group>;
  /// Waits until none is under way. Goes on even if others begin at once.
  /// Parks.
  /// Cancel: errc::cancelled or errc::timed_out.
  [[nodiscard]] result<void> wait() { return await(async_wait()); }
  [[nodiscard]] wait_operation async_wait() noexcept { return wait_operation{*this}; }

 private:
  friend wait_operation;
  static constexpr std::string_view what = "wait_group";
  [[nodiscard]] bool is_open(std::uint64_t) const noexcept { return count() == 0; }

  std::atomic<std::size_t> count_;  // becomes zero under the queue's lock
  detail::wait_queue queue_;
};

}  // namespace weft
