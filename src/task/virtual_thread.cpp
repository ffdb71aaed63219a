#include <weft/sched/scheduler.hpp>
#include <weft/stack/overflow.hpp>
#include <weft/task/virtual_thread.hpp>

namespace weft::detail {
namespace {

/// What an OS thread has that runs virtual threads.
struct carrier_flow {
  stack::context own;
  stack::alternate_signal_stack signals;  // for the handler that finds the stack of a virtual thread used up
};

// The calling carrier's own flow. Never inlined: see current_runnable.
[[gnu::noinline]] stack::context& this_carrier() noexcept {
  static thread_local carrier_flow flow;
  asm volatile("" ::: "memory");
  return flow.own;
}

}  // namespace

void virtual_thread::prepare(std::byte* stack_top) noexcept {
  context_.prepare(slot_.bottom(), stack_top, &slot_, &virtual_thread::enter, this);
}

void virtual_thread::enter(void* self) {
  auto& thread = *static_cast<virtual_thread*>(self);
  thread.body();
  thread.why_ = leave::ending;
  stack::context::exit_to(thread.context_, *thread.carrier_);
}

void virtual_thread::resume() noexcept {
  auto& here = this_carrier();
  took_turn();
  for (;;) {
    carrier_ = &here;
    stack::context::switch_to(here, context_);
    switch (why_) {
      case leave::parking:
        // From a successful commit on it may run, and end, elsewhere: touch nothing.
        if (commit_park_on_carrier()) return;
        break;
      case leave::yielding:
        leave_own_code();
        home()->schedule_last(*this);
        return;
      case leave::ending: end(); return;
    }
  }
}

void virtual_thread::leave_for(leave why) noexcept {
  why_ = why;
  stack::context::switch_to(context_, *carrier_);
}

void virtual_thread::park(time_point) noexcept { leave_for(leave::parking); }

void virtual_thread::yield() noexcept { leave_for(leave::yielding); }

}  // namespace weft::detail
