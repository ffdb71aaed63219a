#include <weft/combine/detail/pinned_operation.hpp>
#include <weft/compute/detail/computation.hpp>
#include <weft/task/detail/virtual_thread.hpp>

namespace weft::detail {

namespace {

/// Whether it is a virtual thread that compute carriers run.
[[nodiscard]] bool computes(const task_base& task) noexcept {
  return task.kind() == task_kind::virtual_thread && static_cast<const virtual_thread&>(task).own_queue() != nullptr;
}

}  // namespace

void throw_trouble(fork_frame& frame) {
  frame.clear(fork_frame::trouble);
  std::rethrow_exception(frame.stack->root->take(frame));
}

bool computation::arm(wait_node& node) noexcept { return enter(node, compute_pool::entry::in_order); }

bool computation::enter(wait_node& node, compute_pool::entry how) noexcept {
  auto& task = static_cast<task_base&>(*node.task);
  node_ = &node;
  account_ = task.account;
  home_ = task.home_host();
  home_->external_work_started();
  switch (home_->compute_pool().submit(*this, computes(represented_task(task)) ? compute_pool::entry::first : how)) {
    case compute_pool::submission::queued: break;  // may be over already: the node says so
    case compute_pool::submission::no_thread: run(compute_carrier::here()); break;
    case compute_pool::submission::full:
      home_->external_work_ended();
      refused_with_ = errc::overloaded;
      return node.claim();
  }
  return false;
}

void computation::complete() noexcept {
  auto* home = home_;
  notify_waiter();
  // After the notification: a virtual clock is held up by the runnable task from there on.
  home->external_work_ended();
}

void computation::notify_waiter() noexcept {
  auto* node = node_;
  bool claimed = false;
  {
    std::lock_guard guard{lock_};
    over_ = true;
    claimed = node->claim();
  }
  // Not claimed: whoever was first finds it over, under the lock, and the computation may be gone from here on.
  if (claimed) node->notify();
}

computation::leaving computation::leave(std::uint64_t epoch) noexcept {
  if (home_->compute_pool().withdraw(*this)) {
    home_->external_work_ended();
    return leaving::withdrawn;
  }
  return keep_waiting(epoch) ? leaving::under_way : leaving::over;
}

bool computation::keep_waiting(std::uint64_t epoch) noexcept {
  std::lock_guard guard{lock_};
  if (!over_) node_->epoch = static_cast<std::uint32_t>(epoch);
  return !over_;
}

bool fork_join_base::request_cancel(wait_node& node, std::uint64_t epoch) noexcept {
  auto how = leave(epoch);
  withdrawn_ = how == leaving::withdrawn;
  if (how != leaving::under_way) return true;
  auto& task = static_cast<task_base&>(*node.task);
  pool()->stop_computation(*this, task.cancel_was_requested() ? task.why_stopped() : errc::timed_out);
  return false;
}

void fork_join_base::run(compute_carrier& on) noexcept {
  compute_carrier::own_stack stack{on, *this};
  begin_here();
  on.run_frames();  // this may be gone from here on
}

void fork_join_base::begin_here() noexcept {
  std::exception_ptr error;
  try {
    if (begin_outermost()) return;
    error = refusal();
  } catch (...) {
    error = std::current_exception();
  }
  compute_carrier::here().forget(*this);
  ended(std::move(error));
}

void fork_join_base::run_in_place() noexcept {
  auto& self = compute_carrier::here();
  helper_ = &self;
  set_outer(self.root());
  compute_carrier::own_stack stack{self, *this};
  begin_here();
  self.run_frames();
  // acquire: what the others did; pairs with ended()
  if (!ended_.load(std::memory_order_acquire)) compute_pool::help(self, {*this, ended_});
}

void fork_join_base::ended(std::exception_ptr error) noexcept {
  error_ = outcome(std::move(error));
  auto* helper = helper_;
  auto* carriers = helper ? helper->pool() : pool();
  if (auto lost = exceptions_lost(); lost != 0 && carriers) carriers->note_lost_exceptions(lost);
  if (!helper) return complete();
  // release: what was computed; pairs with run_in_place(); help() looks on its behalf. This may be gone
  // from here on.
  ended_.store(true, std::memory_order_release);
  compute_pool::wake(*helper);
}

}  // namespace weft::detail
