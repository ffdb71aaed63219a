#include <weft/task/sleep.hpp>

#include <weft/task/detail/coroutine_task.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft {

void yield() noexcept { detail::current_stack().yield(); }

namespace detail {

bool yield_awaiter::await_ready() const noexcept {
  auto& self = current_task();
  if (self.kind() == task_kind::coroutine) return false;
  self.yield();
  return true;
}

bool yield_awaiter::let_others_run(coroutine_link here) noexcept {
  auto& self = static_cast<coroutine_state&>(current_task());
  self.suspend(here);
  return self.let_others_run_if_any();  // true: may be running elsewhere from here on: touch nothing
}

}  // namespace detail
}  // namespace weft
