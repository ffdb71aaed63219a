#include <mutex>
#include <new>
#include <stop_token>
#include <vector>

#include <weft/task/detail/host.hpp>
#include <weft/task/operation.hpp>
#include <weft/task/scope.hpp>

#include "weft/task/detail/describe_task.hpp"

namespace weft {

scope::~scope() noexcept(false) {
  bool unwinding = std::uncaught_exceptions() > exceptions_outside_;
  if (unwinding) cancel();
  wait_for_all();
  stop_.reset();
  if (!unwinding) throw_errors();
}

scope::scope(scope_options options) : policy_{options.policy} {
  if (options.stop.stop_possible()) stop_.emplace(std::move(options.stop), canceller{this});
}

scope_errors::scope_errors(std::vector<std::exception_ptr> all) : all_{std::move(all)} {
  what_ = std::to_string(all_.size()) + " tasks of a scope failed";
}

void scope::throw_errors() {
  std::vector<std::exception_ptr> errors;
  {
    std::lock_guard guard{lock_};
    errors.swap(errors_);
  }
  if (errors.empty()) return;
  if (policy_ == scope_policy::collect_all) throw scope_errors{std::move(errors)};
  std::rethrow_exception(errors.front());
}

void scope::register_child(detail::task_base& child) {
  bool cancel_it = false;
  {
    std::lock_guard guard{lock_};
    children_.push_back(child);
    ++count_;
    cancel_it = cancelled_;
  }
  child.set_observer(*this);
  if (cancel_it) child.cancel();
  child.home()->schedule_spawned(child);  // it may end, and the scope with it: touch nothing
  detail::count_spawn();
}

void scope::join() {
  WEFT_CHECK(!detail::current_task().is_observed_by(*this), "a child that joins its scope would wait for itself",
             "scope", this);
  if (!await(join_operation{*this, join_operation::until::ended_or_cancelled})) cancel();
  wait_for_all();
  throw_errors();
}

void scope::wait_for_all() noexcept {
  if (size() != 0) {
    // Cancel and deadline of the owner reach the children; the wait itself has to go on.
    if (!await(join_operation{*this, join_operation::until::ended_or_cancelled})) cancel();
    wait_for_cancelled();
  }
  detail::wait_to_the_end(async_join());
  // The last child notifies under the lock: when it is free, nothing touches the scope any more.
  std::lock_guard guard{lock_};
}

// Whoever waits here has cancelled the children, or somebody else has.
void scope::wait_for_cancelled() noexcept {
  detail::host* home = nullptr;
  {
    std::lock_guard guard{lock_};
    if (count_ == 0) return;
    home = children_.front()->home_host();
  }
  const duration patience = home->cancelled_over();
  if (patience == duration::max()) return;
  detail::wait_to_the_end_for(async_join(), patience);
  std::string example;
  std::size_t count = 0;
  try {
    std::lock_guard guard{lock_};
    count = count_;
    if (count != 0) example = detail::describe_task(*children_.front());
  } catch (const std::bad_alloc&) {
    return;  // one line less
  }
  if (count != 0) home->warn_of_cancelled("a scope", count, example);
}

void scope::cancel() noexcept {
  std::vector<std::stop_source> stops;  // requested after the lock was let go: they call others' code
  base::intrusive_list<wait_node> notified;
  {
    std::lock_guard guard{lock_};
    cancelled_ = true;
    while (auto* owner = owners_.pop_front()) {
      if (owner->claim()) notified.push_back(*owner);
    }
    // Under the lock: a child that ends takes itself out under it, so those in the list live.
    for (auto* child = children_.front(); child; child = children_.next(*child)) {
      child->request_cancel();
      if (auto stop = child->stop_source()) stops.push_back(std::move(*stop));
    }
  }
  for (auto& stop : stops) stop.request_stop();
  while (auto* owner = notified.pop_front()) owner->notify();  // it may end the scope: touch nothing of it
}

std::size_t scope::size() const noexcept {
  std::lock_guard guard{lock_};
  return count_;
}

void scope::on_end(detail::task_base& child, const std::exception_ptr& error) noexcept {
  bool first_failure = false;
  if (error) {
    std::lock_guard guard{lock_};
    first_failure = policy_ == scope_policy::first_error_cancels && errors_.empty();
    if (first_failure || policy_ == scope_policy::collect_all) errors_.push_back(error);
  }
  if (first_failure) cancel();
  base::intrusive_list<wait_node> claimed;
  {
    std::lock_guard guard{lock_};
    base::intrusive_list<detail::task_base>::remove(child);
    if (--count_ == 0) {
      for (auto* waiting : {&joiners_, &owners_}) {
        while (auto* joiner = waiting->pop_front()) {
          if (joiner->claim()) claimed.push_back(*joiner);
        }
      }
    }
  }
  while (auto* joiner = claimed.pop_front()) joiner->notify();
}

bool scope::join_operation::is_over() const noexcept {
  return target_->count_ == 0 || (until_ == until::ended_or_cancelled && target_->cancelled_);
}

bool scope::join_operation::try_complete() const noexcept {
  std::lock_guard guard{target_->lock_};
  return is_over();
}

bool scope::join_operation::arm(wait_node& node) noexcept {
  std::lock_guard guard{target_->lock_};
  if (is_over()) return node.claim();
  (until_ == until::ended ? target_->joiners_ : target_->owners_).push_back(node);
  return false;
}

void scope::join_operation::disarm(wait_node& node) noexcept {
  if (node.ended_the_wait()) return;  // taken out by the last child; the scope may be gone
  std::lock_guard guard{target_->lock_};
  if (node.is_linked()) base::intrusive_list<wait_node>::remove(node);
}

void scope::join_operation::describe(detail::wait_description& into) const {
  std::vector<const detail::task_base*> children;
  {
    std::lock_guard guard{target_->lock_};
    target_->children_.for_each([&](const detail::task_base& child) { children.push_back(&child); });
  }
  into.add_known(kind, "scope", target_, std::move(children));
}

}  // namespace weft
