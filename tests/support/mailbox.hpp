#pragma once

#include <mutex>

#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/sched/detail/runnable.hpp>
#include <weft/task/operation.hpp>

namespace weft::testing {

using sched::wait_node;

/// Tokens that anybody leaves and tasks pick up, made of nothing but the scheduler's own way to wait.
class mailbox {
 public:
  class pick_up_operation;

  /// Leaves a token; unparks whoever has waited longest for one. Any thread.
  void leave() noexcept {
    wait_node* woken = nullptr;
    {
      std::lock_guard guard{lock_};
      while ((woken = waiters_.pop_front()) && !woken->claim()) {}
      if (!woken) ++tokens_;
    }
    if (woken) woken->notify();
  }

  [[nodiscard]] pick_up_operation async_pick_up() noexcept;

  [[nodiscard]] long tokens() const noexcept {
    std::lock_guard guard{lock_};
    return tokens_;
  }

 private:
  mutable base::spin_lock lock_;  // guards all below
  long tokens_ = 0;
  base::intrusive_list<wait_node> waiters_;
};

class mailbox::pick_up_operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  explicit pick_up_operation(mailbox& from) noexcept : from_{&from} {}

  bool try_complete() noexcept {
    std::lock_guard guard{from_->lock_};
    if (from_->tokens_ == 0) return false;
    --from_->tokens_;
    return true;
  }
  bool arm(wait_node& node) noexcept {
    std::lock_guard guard{from_->lock_};
    if (from_->tokens_ == 0) {
      from_->waiters_.push_back(node);
      return false;
    }
    if (!node.claim()) return false;
    --from_->tokens_;
    return true;
  }
  void disarm(wait_node& node) noexcept {
    std::lock_guard guard{from_->lock_};
    if (node.is_linked()) base::intrusive_list<wait_node>::remove(node);
  }
  static bool finish() noexcept { return true; }
  static value_type take() { return {}; }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  mailbox* from_;
};

inline mailbox::pick_up_operation mailbox::async_pick_up() noexcept { return pick_up_operation{*this}; }

}  // namespace weft::testing
