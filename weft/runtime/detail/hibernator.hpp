#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include <weft/base/detail/event_count.hpp>
#include <weft/runtime/hibernation_statistics.hpp>
#include <weft/stack/detail/parked_flows.hpp>

#include "weft/runtime/detail/memory_pressure.hpp"

namespace weft {
class runtime;
}

namespace weft::detail {

/// Gives memory back that is not needed for now: the stacks of virtual threads that stay parked are put away, those
/// that nobody uses are emptied, and what coroutines have left goes back to the system. Its thread looks through them
/// once in a period; a task that is in the same wait as at the look before has been parked for a period, and goes. When
/// a look found nothing left to do and nothing has run meanwhile, the thread sleeps until a seat has something to run
/// or a stack was brought back: no tick.
/// Thread: any, for what does not say otherwise.
class hibernator {
 public:
  hibernator(runtime& home, duration after);
  ~hibernator() { stop(); }
  hibernator(const hibernator&) = delete;
  hibernator& operator=(const hibernator&) = delete;

  /// Starts the thread. Once, after the carriers.
  void start();

  /// Joins the thread. Before the stacks go.
  void stop() noexcept;

  /// Puts away all that is parked now. Returns how many stacks.
  std::size_t put_away_all();

  /// Memory is short: puts away what stays parked for a tenth of a second from now, and empties what nobody uses.
  void relieve();

  /// For the pools.
  [[nodiscard]] base::event_count& event_count() noexcept { return event_count_; }

  [[nodiscard]] hibernation_statistics statistics() const noexcept;

 private:
  void work();
  /// In the answer, `waiting` counts whatever a later look may have to do.
  stack::put_away_counts scan(stack::patience how);
  stack::put_away_counts scan_in_background() noexcept;
  [[nodiscard]] bool sleep_for_period();
  [[nodiscard]] bool nothing_ran_since(std::uint64_t progress) noexcept;
  [[nodiscard]] std::uint64_t progress() const noexcept;
  void give_up();

  runtime& home_;
  const duration after_;
  base::event_count event_count_;
  std::atomic<std::uint64_t> scans_{0}, put_away_{0}, relieved_{0};
  std::atomic<bool> lost_faults_{false}, asleep_{false};

  std::mutex scan_mutex_;  // one look at a time

  std::mutex mutex_;  // guards stopping_
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
  memory_pressure pressure_;
};

}  // namespace weft::detail
