#pragma once

#include <cstddef>
#include <exception>
#include <source_location>
#include <utility>

#include <weft/base/intrusive_list.hpp>
#include <weft/base/spin_lock.hpp>
#include <weft/task/spawn.hpp>

namespace weft {

/// A lifetime that the tasks spawned in it cannot outlive. The first that throws cancels the others; what it threw
/// reaches the owner, from join().
/// Thread: spawn and cancel from any task, its children included, while it lives; join and the destructor by the owner.
/// Lifetime: destroyed by a virtual thread or an OS thread; a coroutine awaits async_join() first.
class scope : private detail::end_observer {
 public:
  scope() = default;
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  /// Joins. On the way out of an exception it cancels the children first, and what they throw is lost.
  /// Throws what the first child threw, when join() has not been called.
  ~scope() noexcept(false);

  /// Starts a task, of either kind, that ends before the scope does. It inherits the caller's deadline.
  /// After cancel() the task still runs, and finds itself cancelled.
  template <class F>
  void spawn(const spawn_options& options, F&& f, std::source_location site = std::source_location::current()) {
    adopt(*detail::make_task(detail::runtime_to_spawn_in(), options, site, std::forward<F>(f)).task);
  }
  template <class F>
  void spawn(F&& f, std::source_location site = std::source_location::current()) {
    spawn(spawn_options{}, std::forward<F>(f), site);
  }

  /// Waits until all children have ended, then throws what the first one threw, if any did.
  /// Parks. Cancel, or the caller's deadline: cancels the children, and still waits for them.
  void join();

  /// Asks all children, present and future, to stop. Does not wait.
  void cancel() noexcept;

  /// Children that have not ended. Any thread; may be old at once.
  [[nodiscard]] std::size_t size() const noexcept;

  class join_operation;
  /// The end of all children as an operation; does not throw what they threw.
  [[nodiscard]] join_operation async_join() noexcept;

 private:
  void adopt(detail::task_state& child);
  void wait_for_all() noexcept;
  void on_end(detail::task_state& child, const std::exception_ptr& error) noexcept override;

  mutable base::spin_lock lock_;  // guards all below
  base::intrusive_list<detail::task_state> children_;
  base::intrusive_list<wait_node> joiners_;
  std::size_t count_ = 0;
  bool cancelled_ = false;
  std::exception_ptr first_error_;
  int exceptions_outside_ = std::uncaught_exceptions();
};

class scope::join_operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::join;
  explicit join_operation(scope& target) noexcept : target_{&target} {}

  bool try_complete() const noexcept;
  bool arm(wait_node& node) noexcept;
  void disarm(wait_node& node) noexcept;
  bool finish() const noexcept { return true; }
  value_type take() const { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(detail::wait_description& into) const;

 private:
  scope* target_;
};

inline scope::join_operation scope::async_join() noexcept { return join_operation{*this}; }

}  // namespace weft
