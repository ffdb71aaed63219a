#include <weft/compute/compute.hpp>

#include <new>

#include <weft/base/detail/spin_lock.hpp>

#include <weft/combine/detail/pinned_operation.hpp>
#include <weft/task/spawn.hpp>

namespace weft::detail {

bool compute_admission::enter(wait_node& node, compute_pool::entry how) noexcept {
  auto& home = *static_cast<task_base&>(*node.task).home_host();
  node_ = &node;
  home.external_work_started();
  switch (home.compute_pool().submit(*this, how)) {
    case compute_pool::submission::queued: return false;  // may be over already: the node says so
    case compute_pool::submission::full: refusal_ = errc::overloaded; break;
    case compute_pool::submission::no_thread: has_carrier_ = false; break;
  }
  home.external_work_ended();
  return node.claim();
}

compute_job::beginning compute_admission::begin(virtual_thread*& task) noexcept {
  auto& waiter = static_cast<virtual_thread&>(*node_->task);
  // It parks at this moment, most likely. Told before that, it would go on on its seat, and come here by a second way.
  constexpr int longest_spin = 64;
  for (int i = 0; i < longest_spin && !waiter.is_parked(); ++i) base::pause();
  switch (node_->decide()) {
    case sched::runnable::decision::by_others: return beginning::not_at_all;
    case sched::runnable::decision::of_running: return beginning::by_itself;
    case sched::runnable::decision::of_parked: break;
  }
  task = &waiter;
  return beginning::as_task;
}

void compute_admission::disarm(wait_node& node) noexcept {
  if (node.ended_the_wait()) return;  // taken out by the carrier
  auto& home = *static_cast<task_base&>(*node.task).home_host();
  // Also where it was taken out: the carrier looks at it under the pool's mutex.
  if (home.compute_pool().withdraw(*this)) home.external_work_ended();
}

compute_timer::compute_timer(virtual_thread& self, const std::source_location& site, bool has_carrier) noexcept
    : self_{self}, site_{site}, outer_{static_cast<compute_placement*>(self.own_queue())} {
  if (!outer_ && has_carrier) own_.emplace(self);
  began_ = clock();
}

compute_timer::~compute_timer() {
  auto took = clock() - began_;
  self_.home_host()->compute_pool().note(site_, took);
  if (outer_) return;  // part of its time
  if (auto* account = self_.account) {
    account->computed += took;
    account->add(wait_kind::compute, took);
  }
}

/// The time that it computes.
std::chrono::nanoseconds compute_timer::clock() const noexcept {
  if (outer_) return outer_->so_far();
  if (own_) return own_->so_far();
  return std::chrono::steady_clock::now().time_since_epoch();
}

void compute_call::run(compute_carrier& on) noexcept {
  auto* task = on.pool() ? make_task() : nullptr;
  if (!task) {
    run_here(on);
    return complete();
  }
  {
    std::lock_guard guard{lock_};
    task_ = task;
    if (is_cancelled_) task->request_cancel();
  }
  on.pool()->run_task(on, *task);  // this may be gone from here on
}

virtual_thread* compute_call::make_task() noexcept try {
  auto& stacks = home()->stacks();
  auto slot = stacks.allocate();
  if (!slot) return nullptr;
  auto body = [this] { run_as(static_cast<virtual_thread&>(current_task())); };
  auto& made = spawned_virtual_thread<void, decltype(body)>::make(home(), site_, **slot, body);
  made.set_name("compute");
  made.set_deadline(waiter().deadline());
  if (account()) made.account = &waits_;
  try {
    inherit_side_record(made, represented_task(waiter()));
  } catch (const std::bad_alloc&) {
    // Without what it would have inherited it would not do the same: it is not begun.
    made.release();
    return nullptr;
  }
  return &made;
} catch (const std::exception&) {
  return nullptr;
}

/// On the task's stack.
void compute_call::run_as(virtual_thread& self) noexcept {
  {
    compute_placement placement{self, compute_placement::afterwards::nothing};
    call();
    took_ = placement.so_far();
  }
  pool()->note(site_, took_);
  {
    std::lock_guard guard{lock_};
    task_ = nullptr;
  }
  notify_waiter();  // this may be gone from here on
}

void compute_call::run_here(compute_carrier& on) noexcept {
  auto began = std::chrono::steady_clock::now();
  call();
  took_ = std::chrono::steady_clock::now() - began;
  if (on.pool()) on.pool()->note(site_, took_);
}

bool compute_call::finish() noexcept {
  if (auto* into = account()) {
    into->computed += took_;
    // What it waited for by itself is no wait for a carrier.
    for (std::size_t i = 0; i < wait_kind_count; ++i) {
      into->waited[i] += waits_.waited[i];
      into->add(wait_kind::compute, -waits_.waited[i]);
    }
  }
  return true;
}

void compute_call::describe(wait_description& into) const {
  std::lock_guard guard{lock_};
  if (!task_) return into.add(wait_kind::compute, "computation", this);  // it has not begun, or has ended
  into.add_known(wait_kind::compute, "computation", this, {task_});
}

bool compute_call::request_cancel(wait_node& node, std::uint64_t epoch, unbegun what) noexcept {
  auto& self = static_cast<task_base&>(*node.task);
  if (what == unbegun::is_left) {
    auto how = leave(epoch);
    withdrawn_ = how == leaving::withdrawn;
    if (how != leaving::under_way) return true;
  } else if (!keep_waiting(epoch)) {
    return true;
  }
  // A deadline of the task's it knows itself.
  if (!self.cancel_was_requested() && self.deadline() <= now()) return false;
  std::optional<std::stop_source> stop;
  {
    std::lock_guard guard{lock_};
    is_cancelled_ = true;
    if (task_) {
      task_->request_cancel();
      stop = task_->stop_source();
    }
  }
  if (stop) stop->request_stop();  // without the lock: it calls others' code
  return false;
}

}  // namespace weft::detail
