#include <weft/task/coroutine_task.hpp>

#include <exception>

namespace weft::detail {

void coroutine_state::resume() noexcept {
  while (wait_ && !wait_->woken()) {
    // From a successful commit on it may run, and end, elsewhere: touch nothing.
    if (commit_park_on_carrier()) return;
  }
  wait_ = nullptr;
  resume_at_.resume();  // it may have ended: touch nothing
}

// Waits that keep their stack are the OS thread's inside a coroutine: see current_stack().
void coroutine_state::park(time_point) noexcept { std::terminate(); }
void coroutine_state::yield() noexcept { std::terminate(); }

}  // namespace weft::detail
