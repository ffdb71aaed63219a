#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/base/result.hpp>
#include <weft/sync/detail/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft {

namespace detail {

/// Whether who arrives will not come again.
enum class drops : bool { no, yes };

/// What barriers share, whatever they do at the end of a phase.
class barrier_base {
 public:
  using wait_operation = gate_wait<barrier_base>;

 protected:
  explicit barrier_base(std::size_t expected) noexcept : expected_{expected}, missing_{expected} {
    WEFT_CHECK(expected != 0, "a barrier is for at least one", what, this);
  }
  ~barrier_base() {
    queue_.check_nobody_waits("a barrier is destroyed when nobody waits for it: join the waiters first", "barrier",
                              this);
  }

  /// Counts one arrival, the last one that the phase waited for if `last`.
  struct arrival {
    std::uint64_t phase;
    bool last;
  };
  [[nodiscard]] arrival arrive_one(drops how) noexcept;
  /// By who arrived last: begins the next phase.
  void end_phase() noexcept;
  [[nodiscard]] wait_operation end_of(std::uint64_t phase) noexcept { return wait_operation{*this, phase}; }

 private:
  friend wait_operation;
  static constexpr std::string_view what = "barrier";
  [[nodiscard]] bool is_open(std::uint64_t phase) const noexcept {
    // acquire: sees what was done before each arrival
    return phase_.load(std::memory_order_acquire) != phase;
  }

  wait_queue queue_;
  std::size_t expected_, missing_;       // under the queue's lock: arrivals of each phase, and of this one still
  std::atomic<std::uint64_t> phase_{0};  // written under the queue's lock
};

struct nothing_to_do {
  void operator()() const noexcept {}
};

}  // namespace detail

/// A number of tasks that wait for one another at the end of each phase of their work.
/// Thread: any, for every member: tasks of either kind and plain OS threads.
/// Order: what each did before it arrived, and what `at_end` did, is visible to all that go on.
/// Lifetime: destroyed when nobody waits; the destructor checks.
template <std::invocable AtEnd = detail::nothing_to_do>
class barrier : detail::barrier_base {
  static_assert(std::is_nothrow_invocable_v<AtEnd&>, "nobody can be told of what is thrown at the end of a phase");

 public:
  /// `expected` arrivals end a phase; the last of them calls `at_end`, before any goes on.
  explicit barrier(std::size_t expected, AtEnd at_end = {}) : barrier_base{expected}, at_end_{std::move(at_end)} {}

  using wait_operation = detail::barrier_base::wait_operation;

  /// Counts as arrived without waiting. What it returns can be waited for: the end of the phase.
  wait_operation arrive() noexcept { return end_of(arrive_and_end(detail::drops::no)); }
  /// The same; from the next phase on one arrival fewer is expected.
  wait_operation arrive_and_drop() noexcept { return end_of(arrive_and_end(detail::drops::yes)); }

  /// Arrives, and waits for the others.
  /// Parks.
  /// Cancel: errc::cancelled or errc::timed_out; it has arrived all the same, and the others go on.
  [[nodiscard]] result<void> arrive_and_wait() { return await(async_arrive_and_wait()); }
  /// Arrives now; the operation is the wait.
  [[nodiscard]] wait_operation async_arrive_and_wait() noexcept { return arrive(); }

 private:
  std::uint64_t arrive_and_end(detail::drops how) noexcept {
    const auto [phase, last] = arrive_one(how);
    if (last) {
      std::invoke(at_end_);
      end_phase();
    }
    return phase;
  }

  [[no_unique_address]] AtEnd at_end_;
};

}  // namespace weft
