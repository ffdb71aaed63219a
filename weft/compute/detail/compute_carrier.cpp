#include <weft/compute/detail/compute_carrier.hpp>

#include <chrono>
#include <mutex>
#include <new>
#include <source_location>
#include <thread>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/compute/detail/compute_pool.hpp>

#include "weft/base/detail/thread_object.hpp"

namespace weft::detail {

constinit thread_local compute_carrier* this_compute_carrier = nullptr;

namespace {

/// What an OS thread computes on that belongs to no pool.
struct lone_carrier : compute_carrier {
  lone_carrier() noexcept : compute_carrier{nullptr, 1} {}
};

}  // namespace

compute_carrier::~compute_carrier() {
  delete stack_;
  while (unused_) delete std::exchange(unused_, unused_->next_unused);
}

compute_carrier& compute_carrier::here() noexcept {
  if (this_compute_carrier) return *this_compute_carrier;
  return base::thread_object<lone_carrier>::here();
}

void compute_carrier::nowhere() noexcept {
  check_failed("a parallel_task begins in a fork-join computation",
               "begin it with weft::fork(), weft::call() or weft::fork_join()", std::source_location::current());
}

void* compute_carrier::allocate_slowly(std::size_t bytes, std::size_t alignment) noexcept {
  if (!stack_) nowhere();
  if (stack_->root->stopped() != 0) return nullptr;
  stack_->save(top_);
  auto window = stack_->saved();
  auto* begin = aligned_up(top_, alignment);
  if (begin > window.limit || static_cast<std::size_t>(window.limit - begin) < bytes) {
    if (!stack_->grow(top_, bytes, alignment)) return nullptr;
    window = stack_->saved();
    begin = window.top;
  }
  top_ = begin + bytes;
  base_ = window.base;
  set_limit(window.limit);
  return begin;
}

void compute_carrier::release_segment() noexcept {
  if (!stack_->shrink()) return;
  auto window = stack_->saved();
  top_ = window.top;
  base_ = window.base;
  set_limit(window.limit);
}

// The store before the look: whoever stops the computation sets the flag before it tells the carriers.
void compute_carrier::set_limit(std::byte* limit) noexcept {
  limit_.exchange(limit, std::memory_order_seq_cst);  // seq_cst: see above; pairs with check_soon()
  if (stack_->root && stack_->root->stopped() != 0) check_soon();
}

void compute_carrier::use(frame_stack* stack) noexcept {
  stack_ = stack;
  auto window = stack->saved();
  top_ = window.top;
  base_ = window.base;
  set_limit(window.limit);
}

frame_stack* compute_carrier::unused_stack() noexcept {
  while (!unused_) {
    // A few bytes, without which the carrier could not go on with what it has taken: it waits until others give some
    // back.
    if (auto* made = new (std::nothrow) frame_stack) return made;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  auto* stack = std::exchange(unused_, unused_->next_unused);
  stack->root = nullptr;
  return stack;
}

// One is kept.
void compute_carrier::put_away(frame_stack* stack) noexcept {
  if (unused_) return delete stack;
  stack->next_unused = nullptr;
  unused_ = stack;
}

void compute_carrier::grow_and_wake() noexcept {
  deque_.grow();
  if (pool_) pool_->wake_for_frames();
}

void compute_carrier::offer_for(const fork_root* root) noexcept {
  std::lock_guard guard{offers_lock_};
  offers_for_ = root;
}

fork_frame* compute_carrier::take_oldest_within(const fork_root& root) noexcept {
  if (deque_.empty()) return nullptr;
  // Held meanwhile: what is offered belongs to what is said for as long.
  std::lock_guard guard{offers_lock_};
  return offers_for_ && offers_for_->is_within(root) ? deque_.take_oldest() : nullptr;
}

// Nothing is offered from before the first exchange on: its frames may end elsewhere, and its computation with them.
bool compute_carrier::has_all_children(fork_frame& frame) noexcept {
  auto owed = fork_frame::nobody - frame.steals;
  offer_for(nullptr);
  // acq_rel: what the children did is seen by whoever has the frame from here on, and so is the frame's own
  if (frame.arrivals.fetch_sub(owed, std::memory_order_acq_rel) != owed) return false;
  take_over(frame);
  return true;
}

void compute_carrier::take_over(fork_frame& frame) noexcept {
  frame.steals = 0;
  // relaxed: published with the frame, when it is next offered
  frame.arrivals.store(fork_frame::nobody, std::memory_order_relaxed);
  offer_for(frame.stack->root);
  if (frame.stack == stack_) return;
  stack_->save(top_);
  put_away(stack_);
  use(frame.stack);
}

bool compute_carrier::waits_for_children(fork_frame& frame) noexcept {
  if (frame.steals == 0 || has_all_children(frame)) return false;
  returning_ = true;
  return true;
}

void compute_carrier::arrive(fork_frame& parent) noexcept {
  returning_ = true;
  offer_for(nullptr);  // as in has_all_children()
  bool on_its_stack = parent.stack == stack_;
  if (on_its_stack) stack_->save(top_);
  // acq_rel: what the child did, and its stack, for whoever has the parent from here on; or all that, for this carrier
  if (parent.arrivals.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    // The parent may be gone from here on: touch nothing of it, nor of its stack.
    if (on_its_stack) use(unused_stack());
    return;
  }
  take_over(parent);
  parent.is(fork_frame::at_end) ? end(parent) : run_next(parent);
}

void compute_carrier::finish(fork_frame& frame) noexcept {
  if (frame.steals != 0) {
    frame.set(fork_frame::at_end);
    if (!has_all_children(frame)) {
      returning_ = true;
      return;
    }
  }
  end(frame);
}

void compute_carrier::end(fork_frame& frame) noexcept {
  auto& root = *stack_->root;
  if (frame.is(fork_frame::trouble) && !frame.is(fork_frame::threw)) {
    // Its children threw, and it has not joined them.
    root.keep(frame, nullptr);
    frame.set(fork_frame::threw);
  }
  auto* parent = frame.parent;
  auto how = frame.how;
  bool threw = frame.is(fork_frame::threw), detached = frame.is(fork_frame::detached);
  std::exception_ptr error;
  if (threw && how == fork_frame::kind::root) error = root.take(frame);
  if (threw && how != fork_frame::kind::root) {
    root.hand_over(frame, *parent);
    parent->set(how == fork_frame::kind::called ? fork_frame::call_failed : fork_frame::fork_failed);
  }
  frame.handle().destroy();
  if (!detached) return;  // to the parent
  returning_ = true;
  switch (how) {
    case fork_frame::kind::root: forget(root); return root.ended(std::move(error));
    case fork_frame::kind::called:
      // Before the parent throws, those that it forked end: they use its variables.
      if (!threw || !waits_for_children(*parent)) run_next(*parent);
      return;
    case fork_frame::kind::forked: take_back(deque_.end() - 1) ? run_next(*parent) : arrive(*parent);
  }
}

void compute_carrier::fail(std::exception_ptr error) noexcept {
  auto& root = *stack_->root;
  if (!root.fail(std::move(error))) return;
  if (pool_) return pool_->stop_computation(root, errc::cancelled);
  root.set_stopped(errc::cancelled);
  check_soon();
}

void compute_carrier::run_stolen(fork_frame& frame) noexcept {
  ++frame.steals;
  stack_->root = frame.stack->root;
  offer_for(stack_->root);
  set_limit(stack_->saved().limit);
  run_next(frame);
  run_frames();
}

void compute_carrier::run_frames() noexcept {
  while (next_) {
    auto& frame = *std::exchange(next_, nullptr);
    returning_ = false;
    frame.set(fork_frame::detached);
    frame.handle().resume();
  }
  returning_ = false;
  stack_->root = nullptr;  // it is empty, and the computation may be gone
}

compute_carrier::own_stack::own_stack(compute_carrier& carrier, fork_root& root) noexcept
    : carrier_{carrier},
      outer_{carrier.stack_},
      outer_carrier_{std::exchange(this_compute_carrier, &carrier)},
      outer_offers_for_{carrier.offers_for_},
      outer_deep_below_{carrier.deep_below_} {
  // Of what a thread's stack has, 8 MiB or more, a small part: it stays in memory.
  constexpr std::uintptr_t calls_bytes = std::uintptr_t{128} * 1024;
  carrier.deep_below_ = stack::machine::stack_end() - calls_bytes;
  if (outer_) outer_->save(carrier.top_);
  auto* fresh = carrier.unused_stack();
  fresh->root = &root;
  carrier.use(fresh);
  // Otherwise what is offered already belongs to what `root` is nested in.
  if (!outer_offers_for_) carrier.offer_for(&root);
}

compute_carrier::own_stack::~own_stack() {
  carrier_.stack_->save(carrier_.top_);
  carrier_.put_away(carrier_.stack_);
  this_compute_carrier = outer_carrier_;
  carrier_.deep_below_ = outer_deep_below_;
  if (carrier_.offers_for_ != outer_offers_for_) carrier_.offer_for(outer_offers_for_);
  if (outer_) {
    carrier_.use(outer_);
    return;
  }
  carrier_.stack_ = nullptr;
  carrier_.top_ = carrier_.base_ = nullptr;
  // relaxed: only this thread allocates, and it has nothing to allocate on
  carrier_.limit_.store(nullptr, std::memory_order_relaxed);
}

}  // namespace weft::detail
