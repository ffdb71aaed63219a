#include <weft/task/detail/coroutine_task.hpp>

#include <exception>

#include <weft/sched/detail/direct_switch.hpp>
#include <weft/sched/detail/scheduler.hpp>
#include <weft/task/detail/transfer.hpp>

#include "weft/sched/detail/carrier.hpp"

// A coroutine that waits for another library's awaitable has neither parked nor ended when resume() gets back to the
// carrier: it is suspended somewhere outside, and its carrier is in the task's own code still. Carrier and caller meet
// in the word `outside_`, of which the later one has the task:
//
//   no --carrier--> has_left --caller--> no                 the caller hands the task to the scheduler
//   no --caller--> is_called_back --carrier--> no           the carrier goes on with it at once
//
// Each reads and writes it in one exchange. While a task is outside, a virtual clock stands still.

namespace weft::detail {

/// The first thing when the task is resumed after that: the scheduler of whoever resumes it counts it as back.
class coroutine_state::return_from_outside final : public wait_step {
 public:
  [[nodiscard]] static wait_step& step() noexcept {
    static constinit return_from_outside instance;
    return instance;
  }

 private:
  bool woken() noexcept override {
    sched::scheduler::current()->external_work_ended();
    return true;
  }
};

std::coroutine_handle<> coroutine_state::call_back(coroutine_link here) noexcept {
  if (sched::this_runnable() == this) return transfer_to(here.handle());  // it ran as part of the task
  suspend(here, return_from_outside::step());
  auto seen = outside::no;
  // release: where to go on; acquire: the task as its carrier left it; pairs with stays_outside()
  if (!outside_.compare_exchange_strong(seen, outside::is_called_back, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
    // relaxed: published by what makes it ready
    outside_.store(outside::no, std::memory_order_relaxed);
    make_ready();
  }
  return std::noop_coroutine();
}

/// On its carrier, in its own code, suspended: false when it was called back already.
bool coroutine_state::stays_outside(sched::carrier& by) noexcept {
  home()->external_work_started();
  leave_own_code(by);
  auto seen = outside::no;
  // release: the task as it is left; acquire: where to go on; pairs with call_back()
  if (outside_.compare_exchange_strong(seen, outside::has_left, std::memory_order_acq_rel, std::memory_order_acquire)) {
    return true;
  }
  // relaxed: the caller is done with it
  outside_.store(outside::no, std::memory_order_relaxed);
  sched::begin_turn(by, *this);
  return false;
}

void coroutine_state::resume(sched::carrier& by) noexcept {
  set_carrier(by);
  sched::begin_turn(by, *this);
  took_turn();
  transfer_loop loop;
  do {
    while (wait_ && !wait_->woken()) {
      // From a successful commit on it may run, and end, elsewhere: touch nothing.
      if (commit_park_on(by)) return;
    }
    wait_ = nullptr;
    set_transfers(loop);
    loop.run(resume_at_.handle());
    // Where the carrier has left its own code, it has parked or ended: touch nothing.
  } while (!by.works_on_seat() && !stays_outside(by));
}

void coroutine_state::let_others_run() noexcept {
  leave_own_code(carrier());
  home()->schedule_last(*this);
}

bool coroutine_state::let_others_run_if_any() noexcept {
  leave_own_code(carrier());
  if (sched::continues_alone(carrier(), *this)) {
    took_turn();
    return false;
  }
  home()->schedule_last(*this);
  return true;
}

// Waits that keep their stack are the OS thread's inside a coroutine: see current_stack().
void coroutine_state::park(time_point) noexcept { std::terminate(); }
void coroutine_state::yield() noexcept { std::terminate(); }

}  // namespace weft::detail
