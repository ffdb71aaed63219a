#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>

#include <weft/base/accounting.hpp>
#include <weft/base/check.hpp>
#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/result.hpp>
#include <weft/sched/detail/runnable.hpp>
#include <weft/task/detail/wait_description.hpp>

namespace weft::detail {

/// Waiters that wait on one object, the oldest first.
/// Thread: under the object's lock, which is the last thing of the object that a waker touches: whoever destroys the
///   object takes the lock once more before, and so waits until the waker is gone.
using wait_list = base::intrusive_list<sched::wait_node>;

/// Tasks whose waits were ended under an object's lock, made ready after it. Lives in the waker's frame, and is made
/// before the lock is taken.
class woken_waiters {
 public:
  woken_waiters() = default;
  ~woken_waiters() {
    if (first_) first_->make_ready();
    while (others_) {
      auto* task = others_->task;
      others_ = next(*others_);  // the node is gone once its task is ready
      task->make_ready();
    }
  }
  woken_waiters(const woken_waiters&) = delete;
  woken_waiters& operator=(const woken_waiters&) = delete;

  /// Ends the wait of `node`, which was taken out of its list. False when others have decided about it. Under the
  /// object's lock.
  bool wake(sched::wait_node& node) noexcept {
    auto* task = node.task;
    switch (node.decide()) {
      case sched::runnable::decision::by_others: return false;
      case sched::runnable::decision::of_running: return true;
      case sched::runnable::decision::of_parked: break;
    }
    if (!first_) {
      first_ = task;
    } else {
      // In the frame of a parked task, which stays parked until it is made ready.
      if (others_) {
        static_cast<base::list_hook*>(last_)->next = &node;
      } else {
        others_ = &node;
      }
      last_ = &node;
      node.next = nullptr;
    }
    return true;
  }

  /// Takes out the waiters, the oldest first, until it has ended the wait of one. False when there was none. Under the
  /// object's lock.
  bool wake_first(wait_list& waiters) noexcept {
    while (auto* node = waiters.pop_front()) {
      if (wake(*node)) return true;
    }
    return false;
  }

 private:
  [[nodiscard]] static sched::wait_node* next(sched::wait_node& node) noexcept {
    return static_cast<sched::wait_node*>(node.next);
  }

  sched::runnable* first_ = nullptr;
  sched::wait_node* others_ = nullptr;  // a chain
  sched::wait_node* last_ = nullptr;    // of those
};

/// Takes `node` out of the list it is in, if it is in one. Under the object's lock.
inline void unlink(sched::wait_node& node) noexcept {
  if (node.is_linked()) wait_list::remove(node);
}

/// How many waiters are woken at a time by calls that wake all.
inline constexpr std::size_t wakes_in_batch = 64;

// Wakes all waiters of an object, a batch at a time, and lets others run in between, without the object's lock. Those
// that it woke may end the object then, once the others have been cancelled: so each such call is recorded with the
// object, and whoever ends the object dismisses it. Between batches a call looks whether it was dismissed, and takes
// the object's lock if not, under one lock that all objects share; so does who dismisses.

/// The calls that are waking all of an object's waiters. Guarded by the object's lock.
class batch_wakers {
 public:
  /// Calls `wake_batch(woken)` under `lock` until it says that all are woken, or the object has ended.
  template <class F>
  void run(base::spin_lock& lock, F wake_batch) noexcept {
    call self;
    {
      woken_waiters woken;
      std::lock_guard guard{lock};
      if (wake_batch(woken)) return;
      calls_.push_back(self);
    }
    continue_waking(
        self, lock, [](void* batch, woken_waiters& woken) { return (*static_cast<F*>(batch))(woken); }, &wake_batch);
  }

  /// By the object's destructor, before its last look at the waiters.
  void dismiss(base::spin_lock& lock) noexcept;

 private:
  struct call : base::list_hook {
    bool dismissed = false;  // guarded by the lock that all objects share
  };

  static void continue_waking(call& self, base::spin_lock& lock, bool (*wake_batch)(void* batch, woken_waiters& woken),
                              void* batch) noexcept;

  base::intrusive_list<call> calls_;
};

/// The lock of an object and those who wait until the object is in some state, all alike.
/// Thread: any.
class wait_queue {
 public:
  wait_queue() = default;
  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  /// By the destructor of `object`, which is a `kind`: ends the program, with `advice`, when somebody waits.
  void check_nobody_waits(const char* advice, std::string_view kind, const void* object) noexcept;

  /// Calls `f` under the lock.
  template <class F>
  auto locked(F f) noexcept {
    std::lock_guard guard{lock_};
    return f();
  }

  /// For operation::arm(): queues the node unless `holds()`, which is asked under the lock.
  template <class F>
  [[nodiscard]] bool arm(sched::wait_node& node, F holds) noexcept {
    std::lock_guard guard{lock_};
    if (holds()) return node.claim();
    waiters_.push_back(node);
    return false;
  }
  /// For operation::disarm().
  void disarm(sched::wait_node& node) noexcept {
    if (node.ended_the_wait()) return;  // taken out by whoever ended it; the object may be gone
    std::lock_guard guard{lock_};
    unlink(node);
  }

  /// Calls `change()` under the lock, and when that is true ends the waits of all that have begun by then.
  template <class F>
  void wake_all_if(F change) noexcept {
    bool changed = false;
    wakers_.run(lock_, [&](woken_waiters& woken) {
      if (!changed) {
        if (!change()) return true;
        changed = true;
        leaving_.append(waiters_);
      }
      return wake_leaving(woken);
    });
  }

  /// Ends the wait that began first, and answers whether there was one; if there was none, calls `otherwise()` under
  /// the same lock.
  template <class F>
  bool wake_one_or(F otherwise) noexcept {
    woken_waiters woken;
    std::lock_guard guard{lock_};
    if (woken.wake_first(waiters_)) return true;
    otherwise();
    return false;
  }

 private:
  [[nodiscard]] bool wake_leaving(woken_waiters& woken) noexcept;

  base::spin_lock lock_;         // guards the object's state and all below
  wait_list waiters_, leaving_;  // whose waits go on, and whose end
  batch_wakers wakers_;
};

/// Waits until `Target::is_open(phase)`, which may be asked without the lock of `Target::queue_`, and becomes true
/// under it. Gate primitives are those that let all of their waiters go at a time.
template <class Target>
class gate_wait {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  static constexpr bool locks_to_arm = true;
  explicit gate_wait(Target& target, std::uint64_t phase = 0) noexcept : target_{&target}, phase_{phase} {}

  bool try_complete() const noexcept { return target_->is_open(phase_); }
  bool arm(sched::wait_node& node) const noexcept {
    return target_->queue_.arm(node, [this] { return target_->is_open(phase_); });
  }
  void disarm(sched::wait_node& node) const noexcept { target_->queue_.disarm(node); }
  bool finish() const noexcept { return true; }
  value_type take() const noexcept { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(wait_description& into) const { into.add(kind, Target::what, target_); }

 private:
  Target* target_;
  std::uint64_t phase_;
};

}  // namespace weft::detail
