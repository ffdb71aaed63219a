#include <weft/task/coroutine_task.hpp>

#include <exception>

#include <weft/sched/scheduler.hpp>
#include <weft/sched/turn.hpp>

namespace weft::detail {

void coroutine_state::resume(sched::carrier& by) noexcept {
  set_carrier(by);
  sched::begin_turn(by, *this);
  took_turn();
  while (wait_ && !wait_->woken()) {
    // From a successful commit on it may run, and end, elsewhere: touch nothing.
    if (commit_park_on(by)) return;
  }
  wait_ = nullptr;
  transfer_loop loop;
  set_transfers(loop);
  loop.run(resume_at_.handle());  // it may have ended: touch nothing
}

void coroutine_state::let_others_run() noexcept {
  leave_own_code(carrier());
  home()->schedule_last(*this);
}

bool coroutine_state::let_others_run_if_any() noexcept {
  leave_own_code(carrier());
  if (sched::goes_on_alone(carrier(), *this)) {
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
