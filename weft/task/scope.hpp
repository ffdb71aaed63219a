#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <source_location>
#include <stop_token>
#include <string>
#include <utility>

#include <weft/base/containers.hpp>
#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/task/spawn.hpp>

namespace weft {

/// What becomes of the others when a child of a scope throws.
enum class scope_policy : std::uint8_t {
  first_error_cancels,  ///< they are cancelled; join() throws what the first one threw
  collect_all,          ///< they go on; join() throws scope_errors, with all that was thrown
};

struct scope_options {
  scope_policy policy = scope_policy::first_error_cancels;
  /// When its stop is requested, the scope is cancelled.
  std::stop_token stop = {};
};

/// What the children of a scope threw that collects all.
class scope_errors : public std::exception {
 public:
  explicit scope_errors(plain::vector<std::exception_ptr> all);
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }
  /// In the order in which the children ended.
  [[nodiscard]] const plain::vector<std::exception_ptr>& all() const noexcept { return all_; }

 private:
  plain::vector<std::exception_ptr> all_;
  std::string what_;
};

/// What a child of a scope will have returned. Move-only; may be dropped, and outlive the scope.
/// Thread: one at a time.
template <class T>
class child_result {
 public:
  explicit child_result(detail::started<T> started) noexcept : task_{started.task}, result_{started.result} {}
  child_result(child_result&& other) noexcept
      : task_{std::exchange(other.task_, nullptr)}, result_{std::exchange(other.result_, nullptr)} {}
  child_result& operator=(child_result&& other) noexcept {
    std::swap(task_, other.task_);
    std::swap(result_, other.result_);
    return *this;
  }
  ~child_result() {
    if (!task_) return;
    if (task_->has_ended()) result_->discard_value();
    task_->release();
  }

  /// Not of an empty one, whose result was taken or moved to another handle.
  [[nodiscard]] bool has_ended() const noexcept {
    WEFT_CHECK(task_ != nullptr, "the handle is empty: its result was taken, or moved to another handle",
               "child_result", this);
    return task_->has_ended();
  }

  /// What the child returned, moved out, or throws what it threw. Once, after the child has ended: after the scope was
  /// joined.
  T take() {
    WEFT_CHECK(task_ && task_->has_ended(), "a child's result is taken once, after its scope was joined",
               "child_result", this);
    struct releaser {
      child_result& handle;
      ~releaser() {
        handle.result_->discard_value();
        std::exchange(handle.task_, nullptr)->release();
      }
    } guard{*this};
    return result_->take();
  }

 private:
  detail::task_base* task_;
  detail::outcome<T>* result_;
};

/// A lifetime that the tasks spawned in it cannot outlive. Unless its policy is another, the first that throws cancels
/// the others; what it threw reaches the owner, from join().
/// Thread: spawn and cancel from any task, its children included, while it lives; join and the destructor by the owner.
/// Lifetime: destroyed by a virtual thread or an OS thread; a coroutine awaits shield(async_join()) first. Others that
///   wait for its end when it is destroyed go on, as at any end of its children.
class scope : private detail::end_observer {
 public:
  scope() = default;
  explicit scope(scope_options options);
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  /// Joins. On the way out of an exception it cancels the children first, and what they throw is lost.
  /// Throws what join() would have thrown, when that was not called.
  ~scope() noexcept(false);

  /// Starts a task, of either kind, that ends before the scope does. It inherits the deadline in force, as any task
  /// that is spawned. After cancel() the task still runs, and finds itself cancelled.
  template <class F>
  void spawn(const spawn_options& options, F&& f, std::source_location site = std::source_location::current()) {
    register_child(*detail::make_task(detail::host_to_spawn_in(), options, site, std::forward<F>(f)).task);
  }
  template <class F>
  void spawn(F&& f, std::source_location site = std::source_location::current()) {
    spawn(spawn_options{}, std::forward<F>(f), site);
  }

  /// The same, for what the child returns: see child_result. Of a virtual thread it keeps the stack until it is
  /// dropped.
  template <class F>
  [[nodiscard]] child_result<detail::spawned_t<F>> spawn_result(
      const spawn_options& options, F&& f, std::source_location site = std::source_location::current()) {
    auto started = detail::make_task(detail::host_to_spawn_in(), options, site, std::forward<F>(f));
    started.task->give_handle();
    child_result<detail::spawned_t<F>> handle{started};
    register_child(*started.task);
    return handle;
  }
  template <class F>
  [[nodiscard]] child_result<detail::spawned_t<F>> spawn_result(
      F&& f, std::source_location site = std::source_location::current()) {
    return spawn_result(spawn_options{}, std::forward<F>(f), site);
  }

  /// Waits until all children have ended, then throws what the policy says, if any of them threw.
  /// Parks.
  /// Cancel: like the caller's deadline, cancels the children, and still waits for them.
  void join();

  /// Asks all children, present and future, to stop. Does not wait.
  void cancel() noexcept;

  /// Children that have not ended. Any thread; may be old at once.
  [[nodiscard]] std::size_t size() const noexcept;

  class join_operation;
  /// The end of all children as an operation; does not throw what they threw.
  [[nodiscard]] join_operation async_join() noexcept;

 private:
  void register_child(detail::task_base& child);
  void wait_for_all() noexcept;
  void wait_for_cancelled() noexcept;
  void on_end(detail::task_base& child, const std::exception_ptr& error) noexcept override;

  mutable base::spin_lock lock_;  // guards all below
  base::intrusive_list<detail::task_base> children_;
  base::intrusive_list<wait_node> joiners_;
  base::intrusive_list<wait_node> owners_;  // of waits that a cancel of the scope ends as well
  std::size_t count_ = 0;
  bool cancelled_ = false;
  struct canceller {
    scope* target;
    void operator()() const noexcept { target->cancel(); }
  };
  void throw_errors();

  scope_policy policy_ = scope_policy::first_error_cancels;
  plain::vector<std::exception_ptr> errors_;
  int exceptions_outside_ = std::uncaught_exceptions();
  std::optional<std::stop_callback<canceller>> stop_;
};

class scope::join_operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::join;
  /// What ends the wait.
  enum class until : std::uint8_t { ended, ended_or_cancelled };
  explicit join_operation(scope& target, until what = until::ended) noexcept : target_{&target}, until_{what} {}

  bool try_complete() const noexcept;
  bool arm(wait_node& node) noexcept;
  void disarm(wait_node& node) noexcept;
  bool finish() const noexcept { return true; }
  value_type take() const { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(detail::wait_description& into) const;

 private:
  /// Under the scope's lock.
  [[nodiscard]] bool is_over() const noexcept;

  scope* target_;
  until until_;
};

inline scope::join_operation scope::async_join() noexcept { return join_operation{*this}; }

}  // namespace weft
