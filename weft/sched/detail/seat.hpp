#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/detail/work_deque.hpp>
#include <weft/base/random.hpp>
#include <weft/sched/detail/runnable.hpp>
#include <weft/sched/detail/scheduler.hpp>
#include <weft/sched/driver.hpp>

#include "weft/sched/detail/carrier.hpp"
#include "weft/sched/detail/run_queue.hpp"
#include "weft/sched/detail/timer_wheel.hpp"

namespace weft::sched {

/// The right to run tasks: a run queue, a timer wheel and a driver. One carrier sits on it at a time.
class seat {
 public:
  /// `seats`: how many there are in all.
  seat(scheduler& owner, std::size_t index, std::size_t seats, std::unique_ptr<driver> where_to_wait)
      : owner_{owner},
        index_{index},
        alone_{seats == 1},
        samples_(seats),
        driver_{std::move(where_to_wait)},
        random_{index + 1} {}

  /// Runs tasks until the scheduler stops: true; or until the seat was handed to another carrier while a task ran:
  /// false.
  /// Thread: the carrier.
  [[nodiscard]] bool run(carrier& self);

  /// Whose the seat is; see carrier.hpp.
  /// Thread: the carrier that asks. Waits for the watchdog to decide.
  [[nodiscard]] bool belongs_to(const carrier& one) const noexcept {
    // acquire: the seat as the carrier before left it; pairs with decide()
    auto seen = sitter_.load(std::memory_order_acquire);
    return seen == word_of(one) || (seen == (word_of(one) | deciding) && still_belongs_to(one));
  }
  /// Before anybody else knows the seat.
  void set_sitter(const carrier& one) noexcept {
    // relaxed: published by the start of the carrier's thread
    sitter_.store(word_of(one), std::memory_order_relaxed);
  }
  /// Thread: the watchdog, as for what follows.
  [[nodiscard]] carrier& sitter() const noexcept {
    // relaxed: the watchdog wrote it, or the thread that started the watchdog
    return *reinterpret_cast<carrier*>(sitter_.load(std::memory_order_relaxed));
  }
  void begin_decision(const carrier& sits) noexcept {
    // relaxed: the heavy fence that follows orders it before the look at the carrier
    sitter_.store(word_of(sits) | deciding, std::memory_order_relaxed);
  }
  void decide(const carrier& next) noexcept {
    // release: what the carrier before left, and the watchdog wrote to its task; pairs with belongs_to()
    sitter_.store(word_of(next), std::memory_order_release);
  }
  void count_hand_over() noexcept { count(handed_over_); }
  [[nodiscard]] std::uint64_t resumed() const noexcept {
    // relaxed: compared with itself
    return resumed_.load(std::memory_order_relaxed);
  }

  /// The next task that is ready here and has a stack, when the loop has nothing else to do first. Otherwise null; the
  /// loop then begins with what was found.
  [[nodiscard]] runnable* next_directly() noexcept;

  /// next_directly() would find nothing, and the loop had nothing to do either. Counts a turn.
  [[nodiscard]] bool has_nothing_else() noexcept;

  /// Puts `task` before, or after, everything else that is ready here.
  /// Thread: the carrier.
  void push_next(runnable& task) {
    if (delivering_) [[unlikely]]
      return push_last(task);
    auto* displaced = std::exchange(next_, &task);
    if (displaced) push_last(*displaced);
  }
  void push_last(runnable& task);
  /// Puts a task that has not run yet before those that were spawned here earlier.
  /// Thread: the carrier.
  void push_spawned(runnable& task);

  /// Thread: any carrier; the lock is inside.
  [[nodiscard]] timer_wheel::handle arm(std::uint64_t tick, const timer_wheel::target& whom) noexcept;
  /// The same by who does not sit here: wakes the seat if it has to wait less long now.
  [[nodiscard]] timer_wheel::handle arm_from_elsewhere(std::uint64_t tick, const timer_wheel::target& whom) noexcept;
  void disarm(timer_wheel::handle timer) noexcept;

  [[nodiscard]] time_point next_timer() const noexcept {
    // acquire: pairs with the release by whoever armed or fired
    return timer_wheel::instant_of(next_due_.load(std::memory_order_acquire));
  }
  [[nodiscard]] driver& where_to_wait() noexcept { return *driver_; }
  [[nodiscard]] scheduler& owner() noexcept { return owner_; }
  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size() + spawned_.size(); }
  [[nodiscard]] scheduler_statistics statistics() const noexcept;

 private:
  static constexpr unsigned outside_interval = 61;  // resumptions between looks at the global queue and the driver
  static constexpr unsigned timer_interval = 8;     // resumptions between looks at the timers
  // Where tasks are so short that the driver's system call would cost more than they do, it is left out of some looks.
  static constexpr unsigned most_checks_unpolled = 16;
  static constexpr std::chrono::nanoseconds shortest_poll = std::chrono::microseconds{20};
  static constexpr unsigned longest_streak = 16;   // tasks run from next_, or spawned_, in a row while others wait
  static constexpr std::size_t batch = 64;         // tasks moved at once from elsewhere
  static constexpr std::size_t timer_batch = 32;   // timers fired at a look
  static constexpr std::size_t spawned_batch = 8;  // the same of those that have not run yet

  // When another seat's tasks are taken; see is_worth_stealing_from() and await_work().
  static constexpr std::chrono::nanoseconds shortest_sample = std::chrono::microseconds{1};
  static constexpr std::chrono::nanoseconds longest_sample = std::chrono::milliseconds{1};
  static constexpr std::chrono::nanoseconds worth_a_steal = std::chrono::microseconds{4};
  static constexpr std::chrono::nanoseconds longest_awake = std::chrono::microseconds{20};
  static constexpr std::chrono::nanoseconds search_again = std::chrono::microseconds{100};
  static constexpr unsigned most_worthwhile = 8, try_again = 32, pauses = 16;

  static constexpr std::uintptr_t deciding = 1;

  [[nodiscard]] static std::uintptr_t word_of(const carrier& one) noexcept {
    return reinterpret_cast<std::uintptr_t>(&one);
  }
  [[nodiscard, gnu::noinline]] bool still_belongs_to(const carrier& one) const noexcept;
  [[nodiscard]] bool is_time_to_check(unsigned tick) const noexcept;
  [[nodiscard]] runnable* quick_task();
  [[nodiscard]] runnable* find_task();
  [[nodiscard]] runnable* local_task();
  [[nodiscard]] runnable* spawned_task();
  [[nodiscard]] runnable* take_arrivals();
  [[nodiscard]] runnable* search_others();
  [[nodiscard]] bool is_worth_stealing_from(const seat& victim) noexcept;
  [[nodiscard]] runnable* steal_from(seat& victim);
  [[nodiscard]] runnable* await_work();
  [[nodiscard]] runnable* keep_rest(runnable** tasks, std::size_t count);
  void stop_searching();
  void check_outside();
  [[nodiscard]] bool is_time_to_poll() noexcept;
  void poll_driver(time_point deadline);
  void fire_timers();
  void refresh_next_due() noexcept;
  void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept;

  /// What was seen of another seat when it was last looked at.
  struct sample {
    std::uint64_t resumed = 0;
    std::chrono::steady_clock::time_point at{};
  };

  scheduler& owner_;
  const std::size_t index_;
  const bool alone_;             // nobody steals
  std::vector<sample> samples_;  // by the other seat's index
  run_queue queue_;
  // Tasks that have not run yet: the newest first for this seat, the oldest first for everybody else, who may take
  // many.
  base::work_deque<runnable, base::thefts::frequent> spawned_;
  carrier* sits_ = nullptr;    // the carrier's alone
  runnable* next_ = nullptr;   // runs before the queue; the carrier's alone
  runnable* found_ = nullptr;  // what next_directly() left to the loop; the carrier's alone
  unsigned streak_ = 0, spawned_streak_ = 0;
  unsigned tick_ = 0;
  unsigned checks_unpolled_ = 0;
  std::chrono::steady_clock::time_point polled_at_{};
  unsigned worthwhile_ = 0;  // how far waiting awake has paid lately; see await_work()
  unsigned idle_times_ = 0;
  bool searching_ = false;   // counted in the scheduler's searching_
  bool delivering_ = false;  // inside the driver or the timers: what wakes is queued in its order
  std::unique_ptr<driver> driver_;
  base::random random_;

  base::spin_lock timer_lock_;  // guards timers_
  timer_wheel timers_;
  std::atomic<std::uint64_t> next_due_{timer_wheel::never};  // written under timer_lock_

  std::atomic<std::uintptr_t> sitter_{0};

  std::atomic<std::uint64_t> handed_over_{0};  // written by the watchdog alone
  // Written by the carrier alone.
  std::atomic<std::uint64_t> resumed_{0}, stolen_{0}, idle_waits_{0};

  friend class scheduler;
};

inline seat* carrier::enter() noexcept {
  if (!seat_) [[unlikely]]
    return lose_seat();
  // relaxed: the fence orders it before the look; see the top of carrier.hpp
  inside_.store(true, std::memory_order_relaxed);
  base::asymmetric_fence_light();
  if (!seat_->belongs_to(*this)) [[unlikely]]
    return lose_seat();
  return seat_;
}

}  // namespace weft::sched
