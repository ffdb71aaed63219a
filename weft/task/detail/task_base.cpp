#include <weft/task/detail/task_base.hpp>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/task/accounting_scope.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/detail/host.hpp>

#include "weft/sched/detail/carrier.hpp"

namespace weft {
namespace detail {
host* task_base::home_host() const noexcept { return static_cast<host*>(home()); }

void task_base::give_way() noexcept {
  took_turn();
  if (kind_ == task_kind::virtual_thread) yield();
}

bool task_base::check_deadline() noexcept {
  bool late = false;
  if (deadline_ != no_deadline) {
    const auto present = now();
    late = deadline_ <= present;
    if (late) {
      check_every_ = 1;  // each operation fails from here on
    } else {
      pace_checks(present);
    }
  }
  share_out_turn();
  return late;
}

/// Looks a microsecond or more apart, where the operations that come between allow it.
void task_base::pace_checks(time_point present) noexcept {
  constexpr std::uint32_t often = 8, seldom = 32, wanted = 16;  // 2, 8 and 4 us
  const auto stamp = static_cast<std::uint32_t>(present.time_since_epoch().count() >> 8) | 1;
  if (const auto before = std::exchange(checked_at_, stamp); before != 0) {
    const auto took = stamp - before;
    const std::uint32_t every = check_every_;
    if (took < often) {
      check_every_ = static_cast<std::uint8_t>(std::min<std::uint32_t>(2 * every, most_operations_between_checks));
    } else if (took > seldom) {
      check_every_ = static_cast<std::uint8_t>(std::max<std::uint32_t>(every * wanted / took, 1));
    }
  }
}

bool task_base::check_budget() noexcept {
  if (turn_is_over()) give_way();
  return check_deadline();
}

void let_others_run() noexcept {
  if (auto& self = current_task(); self.kind() == task_kind::virtual_thread) self.give_way();
}

void count_spawn() noexcept {
  auto& self = current_task();
  // A coroutine cannot leave from here, and an OS thread need not.
  if (self.kind() == task_kind::virtual_thread && self.must_give_way_after_spawn()) self.give_way();
}

bool task_base::arm_end(sched::wait_node& node) noexcept {
  std::lock_guard guard{end_lock_};
  // relaxed: under the lock
  if (ended_.load(std::memory_order_relaxed)) return node.claim();
  end_waiters_.push_back(node);
  return false;
}

void task_base::disarm_end(sched::wait_node& node) noexcept {
  if (node.ended_the_wait()) return;  // taken out by announce_end()
  std::lock_guard guard{end_lock_};
  if (node.is_linked()) base::intrusive_list<sched::wait_node>::remove(node);
}

bool task_base::observe_end(end_observer& observer) noexcept {
  std::lock_guard guard{end_lock_};
  // relaxed: under the lock
  if (ended_.load(std::memory_order_relaxed)) return false;
  observer_ = &observer;
  return true;
}

void task_base::was_blocked(sched::stall_reason why, std::chrono::nanoseconds time) noexcept {
  if (!account) return;
  const auto kind = why == sched::stall_reason::lock         ? wait_kind::lock
                    : why == sched::stall_reason::page_fault ? wait_kind::file
                                                             : wait_kind::blocking;
  account->add(kind, time);
  account->blocked_in_place += time;
}

void task_base::announce_end() noexcept {
  leave_own_code(*on_);
  if (stays_on_thread()) on_->end_thread_bound();
  if (is_only_reference()) {
    // No handle, so nobody who waits, and nobody who could observe anew.
    // release: publishes the result; pairs with has_ended()
    ended_.store(true, std::memory_order_release);
    if (observer_) observer_->on_end(*this, thrown());
    return;
  }
  end_observer* observer = nullptr;
  base::intrusive_list<sched::wait_node> notified_after_observer;
  {
    std::lock_guard guard{end_lock_};
    // release: publishes the result; pairs with has_ended()
    ended_.store(true, std::memory_order_release);
    observer = observer_;
    while (auto* node = end_waiters_.pop_front()) {
      if (!observer) {
        // Under the lock: a waiter whose wait this ends does not take it to disarm, and any other waits for it.
        node->claim_and_notify();
      } else if (node->claim()) {
        notified_after_observer.push_back(*node);
      }
    }
  }
  if (observer) observer->on_end(*this, thrown());
  while (auto* node = notified_after_observer.pop_front()) node->notify();
}

}  // namespace detail

bool cancelled() noexcept { return detail::current_task().must_stop(); }

void accounting_scope::bring_up_to_date() noexcept { sched::charge_blocked_time(); }

}  // namespace weft
