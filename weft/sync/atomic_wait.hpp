#pragma once

#include <atomic>
#include <concepts>
#include <type_traits>

#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/result.hpp>
#include <weft/sync/detail/wait_list.hpp>
#include <weft/task/operation.hpp>

// Waiting for an atomic variable to change, as std::atomic_wait has it, by parking the task. Waiters on all variables
// lie in a table of lists, by the variable's address: a variable costs nothing. A waiter looks at the variable once
// more under its list's lock, after which whoever changes the variable and takes the lock to notify finds it there.

namespace weft {

namespace detail {

class atomic_waiters;

/// Waits until an atomic variable is not what it was; what derives from it knows its type.
class atomic_wait_base : base::list_hook {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;

  bool arm(wait_node& node) noexcept;
  void disarm(wait_node& node) noexcept;
  value_type take() const noexcept { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(wait_description& into) const { into.add(kind, "atomic variable", variable_); }

 protected:
  using predicate = bool (*)(const atomic_wait_base& operation) noexcept;
  atomic_wait_base(const void* variable, predicate has_changed) noexcept
      : variable_{variable}, has_changed_{has_changed} {}
  atomic_wait_base(atomic_wait_base&& other) noexcept : variable_{other.variable_}, has_changed_{other.has_changed_} {}
  [[nodiscard]] const void* variable() const noexcept { return variable_; }

 private:
  friend class atomic_waiters;
  template <class T>
  friend class base::intrusive_list;

  const void* variable_;
  predicate has_changed_;
  wait_node* node_ = nullptr;
};

/// async_atomic_wait().
template <std::equality_comparable T>
class atomic_wait_operation : public atomic_wait_base {
 public:
  atomic_wait_operation(const std::atomic<T>& variable, T old, std::memory_order order) noexcept
      : atomic_wait_base{&variable, &value_changed}, old_{old}, order_{order} {}

  bool try_complete() const noexcept { return value_changed(*this); }
  /// Not if it was changed back after it was notified: then it waits anew.
  bool finish() const noexcept { return value_changed(*this); }

 private:
  static bool value_changed(const atomic_wait_base& operation) noexcept {
    const auto& self = static_cast<const atomic_wait_operation&>(operation);
    // the order that the caller asked for; when armed, the lock of the list orders it against who notifies, too
    return static_cast<const std::atomic<T>*>(self.variable())->load(self.order_) != self.old_;
  }

  T old_;
  std::memory_order order_;
};

/// Ends the waits, the oldest first, of one, or of all, that wait for this variable.
enum class notified : bool { one, all };
void notify_waiters(const void* variable, notified who) noexcept;

}  // namespace detail

/// Waits while `variable` is `old`, as std::atomic_wait() does, but parks the task instead of blocking its OS thread.
/// Whoever changes the variable says so by weft's atomic_notify_one() or atomic_notify_all(), not std's.
/// Thread: any.
/// Order: waiters are notified in the order in which they began to wait; what they see of what the changing task
///   wrote is up to the two memory orders.
/// Lifetime: the variable outlives the wait; atomic_notify_... reads only its address.
/// Parks.
/// Cancel: errc::cancelled or errc::timed_out.
template <class T>
[[nodiscard]] detail::atomic_wait_operation<T> async_atomic_wait(
    const std::atomic<T>& variable, std::type_identity_t<T> old,
    std::memory_order order = std::memory_order_acquire) noexcept {
  return {variable, old, order};
}
template <class T>
[[nodiscard]] result<void> atomic_wait(const std::atomic<T>& variable, std::type_identity_t<T> old,
                                       std::memory_order order = std::memory_order_acquire) {
  return await(async_atomic_wait(variable, old, order));
}

/// Lets the one that has waited longest look at the variable again, or all. Does not wait; in atomic_notify_all() a
/// virtual thread lets others run each time it has woken 64.
template <class T>
void atomic_notify_one(const std::atomic<T>& variable) noexcept {
  detail::notify_waiters(&variable, detail::notified::one);
}
template <class T>
void atomic_notify_all(const std::atomic<T>& variable) noexcept {
  detail::notify_waiters(&variable, detail::notified::all);
}

}  // namespace weft
