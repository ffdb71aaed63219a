#include <utility>

#include <weft/sched/detail/direct_switch.hpp>
#include <weft/sched/detail/scheduler.hpp>
#include <weft/task/detail/host.hpp>
#include <weft/task/detail/virtual_thread.hpp>
#include "weft/stack/detail/overflow.hpp"

#include "weft/sched/detail/carrier.hpp"

namespace weft::detail {

/// What an OS thread has that runs virtual threads: the flow of the scheduler's loop.
struct carrier_flow {
  stack::context own;
  stack::alternate_signal_stack signals;  // for the handler that finds the stack of a virtual thread used up
  virtual_thread* predecessor = nullptr;  // who left for the loop, and is to be settled
};

namespace {

// The calling carrier's own. Never inlined: a task may go on on another OS thread, and a compiler may keep the address
// of a thread_local.
[[gnu::noinline]] carrier_flow& flow_of_this_carrier() noexcept {
  static thread_local carrier_flow flow;
  asm volatile("" ::: "memory");
  return flow;
}

}  // namespace

void virtual_thread::prepare(std::byte* stack_top) noexcept {
  context_.prepare(slot_.bottom(), stack_top, &slot_, &virtual_thread::enter, this);
}

void virtual_thread::enter(void* self) {
  auto& thread = *static_cast<virtual_thread*>(self);
  thread.arrive();
  thread.body();
  // Here, where it may wait, and not where the last reference goes.
  if (thread.is_only_reference()) thread.discard_value();
  thread.why_ = leaving::ending;
  thread.announce_end();
  stack::context::exit_to(thread.context_, thread.prepare_switch_to(sched::end_turn(thread.carrier())));
}

std::size_t virtual_thread::backtrace(void** addresses, std::size_t capacity) const noexcept {
  // From this stack: if that one was put away, the fault that brings it back wants another to run on.
  if (const auto* lowest = lowest_live()) static_cast<void>(*static_cast<const volatile std::byte*>(lowest));
  return context_.backtrace(addresses, capacity);
}

void virtual_thread::note_stack_use() noexcept { home_host()->note_stack_use(site(), slot_.end_measuring()); }

// On the carrier's loop.
void virtual_thread::resume(sched::carrier& by) noexcept {
  auto& flow = flow_of_this_carrier();
  for (auto* thread = this; thread != nullptr;) {
    thread->set_carrier(by);
    thread->flow_ = &flow;
    stack::context::switch_to(flow.own, thread->context_);
    // Whoever comes back need not be who was switched to.
    auto* left = flow.predecessor;
    thread = left->finish_leaving(by) ? nullptr : left;
  }
}

/// Whom to switch to now that this one leaves for `ready` or, where that is null, for the loop.
stack::context& virtual_thread::prepare_switch_to(sched::runnable* ready) noexcept {
  if (!ready) {
    flow_->predecessor = this;
    return flow_->own;
  }
  auto& successor = static_cast<virtual_thread&>(*ready);
  successor.set_carrier(carrier());
  successor.flow_ = flow_;
  successor.predecessor_ = this;
  return successor.context_;
}

void virtual_thread::leave(leaving why) noexcept {
  why_ = why;
  stack::context::switch_to(context_, prepare_switch_to(sched::end_turn(carrier())));
  arrive();
}

/// The first thing on its own stack, after every switch to it.
void virtual_thread::arrive() noexcept {
  took_turn();
  auto* predecessor = std::exchange(predecessor_, nullptr);
  if (predecessor == nullptr) return sched::begin_turn(carrier(), *this);
  if (predecessor->why_ <= leaving::yielding)
    return sched::begin_turn_after(carrier(), *predecessor, predecessor->leave_reason(), *this);
  static_cast<void>(predecessor->finish_leaving(carrier()));
  sched::begin_turn(carrier(), *this);
}

/// By whoever comes after it, on another stack. It may be gone on return. False: it has to go on, now.
bool virtual_thread::finish_leaving(sched::carrier& by) noexcept {
  if (why_ == leaving::ending) {
    release();
    return true;
  }
  if (why_ == leaving::computing) {
    make_ready();
    return true;
  }
  return sched::settle(by, *this, leave_reason());
}

void virtual_thread::park(time_point) noexcept {
  if (!own_queue_) return leave(leaving::parking);
  own_queue_->wait_begins();
  leave(leaving::parking);
  own_queue_->wait_is_over();
}

void virtual_thread::yield() noexcept {
  if (own_queue_) return leave(leaving::computing);
  why_ = leaving::yielding;
  auto* ready = sched::end_turn(carrier());
  if (!ready && sched::continues_alone(carrier(), *this)) return took_turn();
  stack::context::switch_to(context_, prepare_switch_to(ready));
  arrive();
}

void virtual_thread::make_ready() noexcept {
  if (!own_queue_) return runnable::make_ready();
  own_queue_->push(*this);
}

bool virtual_thread::is_on_compute_carrier() const noexcept { return carrier().is_compute_carrier(); }

}  // namespace weft::detail
