// How an OS thread that runs no task waits for one, or for an object of weft's: it sleeps.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/errno.hpp>
#include <weft/sched/detail/scheduler.hpp>
#include <weft/task/detail/host.hpp>
#include <weft/task/detail/task_base.hpp>
#include <weft/task/sleep.hpp>

#include "weft/base/detail/thread_object.hpp"
#include "weft/sched/detail/carrier.hpp"
#include "weft/task/detail/os_threads.hpp"

namespace weft::detail {
namespace {

/// How many OS threads sleep in os_thread_state::park() without a deadline, and were not woken yet.
constinit std::atomic<std::size_t> threads_asleep{0};

/// While it lives, errno may be anything: afterwards it is what it was.
class keeps_errno {
 public:
  keeps_errno() = default;
  keeps_errno(const keeps_errno&) = delete;
  keeps_errno& operator=(const keeps_errno&) = delete;
  ~keeps_errno() { errno = number_; }

 private:
  int number_ = errno;
};

/// An OS thread that waits for a task or an object of weft's.
class os_thread_state final : public task_base {
 public:
  os_thread_state() noexcept : task_base{task_kind::os_thread, nullptr, {}} {}
  ~os_thread_state() override {
    // Here, where it is whole: what ends with the side record is the program's, and may wait.
    while (auto* mine = side_record()) {
      forget_side_record();
      drop_side_record(*mine);
    }
    if (sched::this_runnable() == this) sched::set_this_runnable(nullptr);
  }

  void resume(sched::carrier&) noexcept override { std::terminate(); }  // never scheduled

  void make_ready() noexcept override {
    // Before the task can go on, without a seat perhaps: a virtual clock waits for it.
    if (blocked_) blocked_->external_work_started();
    std::lock_guard guard{mutex_};
    // Not when the thread runs again, which on a busy machine may be much later. relaxed: who reads it looks twice, and
    // at what the scheduler has done in between
    if (std::exchange(is_asleep_, false)) threads_asleep.fetch_sub(1, std::memory_order_relaxed);
    ready_ = true;
    ready_condition_.notify_one();
  }

  void park(time_point until) noexcept override {
    sched::check_threads_exist();
    const keeps_errno as_it_was;
    wait_awake();
    blocked_ = sched::scheduler_to_block();  // before make_ready() may be called
    const bool own_first = timer_due_ < until;
    const auto reason = own_first ? timer_reason_ : static_cast<std::int32_t>(sched::wake_reason::timed_out);
    auto due = own_first ? timer_due_ : until;
    scheduled_end on_virtual_clock;
    if (blocked_ && due != no_deadline && virtual_clock::active()) {
      on_virtual_clock.timer.arm(*this, epoch(), std::exchange(due, no_deadline), reason);
    }
    if (!commit_park()) return;
    blocked_in_place blocked{waits_for()};
    blocked_carrier carrier{blocked_ != nullptr};
    std::unique_lock lock{mutex_};
    auto is_ready = [this] { return ready_; };
    const auto first = real_deadline(due);
    if (first != no_deadline && !ready_condition_.wait_until(lock, first, is_ready)) {
      lock.unlock();
      if (claim_own()) notify(reason);
      lock.lock();
    }
    if (!ready_) {
      // relaxed: as in make_ready()
      is_asleep_ = true;
      threads_asleep.fetch_add(1, std::memory_order_relaxed);
      ready_condition_.wait(lock, is_ready);
    }
    ready_ = false;
  }

  void yield() noexcept override { std::this_thread::yield(); }

  void borrow_deadline(const task_base& coroutine) noexcept {
    has_borrowed_ = true;
    if (deadline() != coroutine.deadline()) set_deadline(coroutine.deadline());
  }
  /// The thread runs no coroutine any more.
  void give_deadline_back() noexcept {
    if (std::exchange(has_borrowed_, false)) set_deadline(no_deadline);
  }

  /// It has no timer wheel: the nearest point in time that the present wait has as a case of its own.
  void add_timer(time_point due, std::int32_t reason) noexcept {
    if (due >= timer_due_) return;
    timer_due_ = due;
    timer_reason_ = reason;
  }
  void forget_timer() noexcept { timer_due_ = no_deadline; }

  [[nodiscard]] const std::exception_ptr& thrown() const noexcept override { return nothing_; }

 private:
  // To sleep and be woken costs some ten microseconds, and the waker a system call. While its waits end within that
  // time it stays awake for them; when they do not, it tries again some time.
  static constexpr std::chrono::nanoseconds longest_awake = std::chrono::microseconds{10};
  static constexpr unsigned most_worthwhile = 4, try_again = 32, pauses = 4;

  /// The end of a coroutine's wait on a virtual clock, which moves to the timers that its scheduler has.
  struct scheduled_end {
    sched::timer_entry timer;
    scheduled_end() = default;
    scheduled_end(const scheduled_end&) = delete;
    scheduled_end& operator=(const scheduled_end&) = delete;
    ~scheduled_end() { timer.disarm(); }
  };

  /// Of a coroutine, whose seat goes on without it.
  class blocked_carrier {
   public:
    explicit blocked_carrier(bool is_one) noexcept : is_one_{is_one} {
      if (is_one_) sched::begin_blocking();
    }
    ~blocked_carrier() {
      if (is_one_) sched::end_blocking();
    }
    blocked_carrier(const blocked_carrier&) = delete;
    blocked_carrier& operator=(const blocked_carrier&) = delete;

   private:
    bool is_one_;
  };

  void destroy() noexcept override {}

  void wait_awake() noexcept {
    static const bool alone = sched::available_cores() == 1;
    if (alone || (worthwhile_ == 0 && ++waits_ % try_again != 0)) return;
    for (auto end = std::chrono::steady_clock::now() + longest_awake; std::chrono::steady_clock::now() < end;) {
      for (unsigned i = 0; i < pauses; ++i) base::pause();
      if (was_notified()) {
        worthwhile_ = std::min(worthwhile_ + 1, most_worthwhile);
        return;
      }
    }
    if (worthwhile_ > 0) --worthwhile_;
  }

  std::mutex mutex_;  // guards ready_ and is_asleep_
  std::condition_variable ready_condition_;
  bool ready_ = false, is_asleep_ = false;
  unsigned worthwhile_ = most_worthwhile;  // how far staying awake has paid lately
  unsigned waits_ = 0;
  bool has_borrowed_ = false;  // its deadline
  std::int32_t timer_reason_ = 0;
  time_point timer_due_ = no_deadline;
  sched::scheduler* blocked_ = nullptr;  // of the coroutine that waits as this thread, if one does
  std::exception_ptr nothing_;
};

}  // namespace

std::size_t os_threads_asleep() noexcept {
  // relaxed: see make_ready()
  return threads_asleep.load(std::memory_order_relaxed);
}

task_base& this_os_thread() noexcept {
  auto& state = base::thread_object<os_thread_state>::here();
  // While a carrier runs a coroutine, that is what its thread runs.
  if (!sched::this_runnable()) {
    sched::set_this_runnable(&state);
    state.give_deadline_back();
  }
  return state;
}

task_base& os_thread_under(const task_base& coroutine) noexcept {
  auto& state = base::thread_object<os_thread_state>::here();
  state.borrow_deadline(coroutine);
  return state;
}

void about_to_block(wait_kind kind) noexcept {
  auto* running = sched::current_runnable();
  if (!running) return;
  auto& coroutine = static_cast<task_base&>(*running);  // a virtual thread would park
  coroutine.home_host()->count_blocking_wait(coroutine, kind);
}

blocked_in_place::blocked_in_place(wait_kind kind) noexcept {
  about_to_block(kind);
  // relaxed: see set_observer()
  if (const auto* told = observer_.load(std::memory_order_relaxed)) carrier_ = told->begin();
}

blocked_in_place::~blocked_in_place() {
  // relaxed: the constructor has seen it
  if (carrier_) observer_.load(std::memory_order_relaxed)->end(carrier_);
}

bool sleep_operation::arm(wait_node& node) noexcept {
  auto& task = static_cast<task_base&>(*node.task);
  if (task.kind() == task_kind::os_thread) {
    static_cast<os_thread_state&>(task).add_timer(until_, node.case_index);
    return false;
  }
  // Never: under a virtual clock, which moves to the next timer, it would come.
  if (until_ != no_deadline) timer_.arm(*node.task, node.epoch, until_, node.case_index);
  return false;
}

void sleep_operation::disarm(wait_node& node) noexcept {
  auto& task = static_cast<task_base&>(*node.task);
  if (task.kind() == task_kind::os_thread) return static_cast<os_thread_state&>(task).forget_timer();
  timer_.disarm();
}

}  // namespace weft::detail
