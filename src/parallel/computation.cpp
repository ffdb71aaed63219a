#include <weft/parallel/computation.hpp>

namespace weft::detail {

void throw_trouble(fork_frame& frame) {
  frame.clear(fork_frame::trouble);
  std::rethrow_exception(frame.stack->root->take(frame));
}

bool computation::arm(wait_node& node) noexcept {
  auto& task = static_cast<task_state&>(*node.task);
  node_ = &node;
  account_ = task.account;
  home_ = task.home_runtime();
  home_->external_work_started();
  home_->compute_pool().submit(*this);  // may be over already: the node says so
  return false;
}

void computation::complete() noexcept {
  auto* home = home_;
  auto* node = node_;
  bool claimed = false;
  {
    std::lock_guard guard{lock_};
    over_ = true;
    claimed = node->claim();
  }
  // Not claimed: whoever was first finds it over, under the lock, and the computation may be gone from here on.
  if (claimed) node->notify();
  // After the notification: a virtual clock is held up by the runnable task from there on.
  home->external_work_ended();
}

computation::leaving computation::leave(std::uint64_t epoch) noexcept {
  if (home_->compute_pool().withdraw(*this)) {
    home_->external_work_ended();
    return leaving::withdrawn;
  }
  std::lock_guard guard{lock_};
  if (over_) return leaving::over;
  node_->epoch = epoch;
  return leaving::under_way;
}

bool fork_join_base::request_cancel(wait_node& node, std::uint64_t epoch) noexcept {
  auto how = leave(epoch);
  withdrawn_ = how == leaving::withdrawn;
  if (how != leaving::under_way) return true;
  auto& task = static_cast<task_state&>(*node.task);
  pool()->stop(*this, task.cancel_was_requested() ? errc::cancelled : errc::timed_out);
  return false;
}

void fork_join_base::run(compute_worker& on) noexcept {
  compute_worker::own_stack stack{on, *this};
  begin_here();
  on.run_frames();  // this may be gone from here on
}

void fork_join_base::begin_here() noexcept {
  std::exception_ptr error;
  try {
    if (begin()) return;
    error = refusal();
  } catch (...) {
    error = std::current_exception();
  }
  ended(std::move(error));
}

void fork_join_base::run_in_place() noexcept {
  auto& self = compute_worker::here();
  helper_ = &self;
  set_outer(self.root());
  compute_worker::own_stack stack{self, *this};
  begin_here();
  self.run_frames();
  // acquire: what the others did; pairs with ended()
  if (!ended_.load(std::memory_order_acquire)) compute_pool::help(self, ended_);
}

void fork_join_base::ended(std::exception_ptr error) noexcept {
  error_ = std::move(error);
  auto* helper = helper_;
  auto* carriers = helper ? helper->pool() : pool();
  if (auto lost = exceptions_lost(); lost != 0 && carriers) carriers->note_lost_exceptions(lost);
  if (!helper) return complete();
  // release: what was computed; pairs with run_in_place() and help(). This may be gone from here on.
  ended_.store(true, std::memory_order_release);
  compute_pool::wake(*helper);
}

}  // namespace weft::detail
