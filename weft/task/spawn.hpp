#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <new>
#include <source_location>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/base/detail/asymmetric_fence.hpp>
#include <weft/base/detail/block_cache.hpp>
#include <weft/task/detail/coroutine_task.hpp>
#include <weft/task/detail/host.hpp>
#include <weft/task/detail/virtual_thread.hpp>
#include <weft/task/operation.hpp>
#include <weft/task/task.hpp>

namespace weft {

/// Whether a task that is spawned has the deadline that is in force where it is spawned.
enum class inherits_deadline : bool { no, yes };

struct spawn_options {
  /// Shown in dumps and reports. Outlives the task: a literal.
  std::string_view name = {};
  /// What the virtual thread's stack may grow to; 0: what the runtime was given. The callable and what it returns lie
  /// there too: spawn() refuses those that leave no room.
  std::size_t stack_bytes = 0;
  /// See deadline_scope. `no` is for a task that is to outlive the call that spawns it.
  inherits_deadline deadline = inherits_deadline::yes;
  /// The OS thread that begins the task, and no other, runs it to its end: for libraries that keep state in
  /// thread_local variables, or compare std::this_thread::get_id(), across a call that waits. Several tasks may stay on
  /// one thread, and share what it keeps. One that computes or blocks for longer than a slice keeps those others
  /// waiting, while the seat goes on without all of them; from then on they run without a seat, one after another, at a
  /// lower priority. compute(f) and blocking(f) run `f` on another thread, as ever. Waking such a task from another
  /// seat costs some microseconds more. True for all tasks where run_options says so.
  bool stays_on_thread = false;
};

template <class T>
class join_handle;

namespace detail {

template <class T>
struct task_value {};
template <class T>
struct task_value<task<T>> {
  using type = T;
};

/// A callable that returns a coroutine, or a coroutine: spawned without a stack.
template <class F>
concept coroutine_source = requires { typename task_value<std::remove_cvref_t<F>>::type; } ||
                           requires { typename task_value<std::invoke_result_t<std::decay_t<F>&>>::type; };

template <class F>
struct spawned {
  using type = std::invoke_result_t<std::decay_t<F>&>;
};
template <class F>
  requires requires { typename task_value<std::remove_cvref_t<F>>::type; }
struct spawned<F> {
  using type = typename task_value<std::remove_cvref_t<F>>::type;
};
template <class F>
  requires requires { typename task_value<std::invoke_result_t<std::decay_t<F>&>>::type; }
struct spawned<F> {
  using type = typename task_value<std::invoke_result_t<std::decay_t<F>&>>::type;
};

/// What a task spawned from an F gives to whoever joins it.
template <class F>
using spawned_t = typename spawned<F>::type;

/// A spawned coroutine, with the callable that made it, whose captures it may use.
template <class T, class F>
class spawned_coroutine final : public coroutine_state {
 public:
  template <class G>
  spawned_coroutine(sched::scheduler* home, std::source_location site, G&& f)
      : coroutine_state{home, site}, source_{std::forward<G>(f)}, coroutine_{make(source_)} {
    auto handle = coroutine().handle();
    WEFT_CHECK(handle && !handle.done(), "a task is spawned once, and not after it was awaited or moved from",
               "coroutine", &coroutine());
    handle.promise().root = this;
    suspend(coroutine_link{handle});
  }

  [[nodiscard]] outcome<T>& result() noexcept { return coroutine().handle().promise().result; }
  [[nodiscard]] const std::exception_ptr& thrown() const noexcept override {
    return coroutine().handle().promise().result.error();
  }

  [[nodiscard]] static void* operator new(std::size_t bytes) { return base::allocate_block(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { base::release_block(block, bytes); }
  // For callables that want more than the usual alignment.
  [[nodiscard]] static void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return ::operator new(bytes, alignment);
  }
  static void operator delete(void* block, std::size_t bytes, std::align_val_t alignment) noexcept {
    ::operator delete(block, bytes, alignment);
  }

 private:
  static constexpr bool is_coroutine = std::is_same_v<F, task<T>>;
  struct none {};

  static auto make(F& source) {
    if constexpr (is_coroutine) {
      return none{};
    } else {
      return std::invoke(source);
    }
  }
  [[nodiscard]] const task<T>& coroutine() const noexcept {
    if constexpr (is_coroutine) {
      return source_;
    } else {
      return coroutine_;
    }
  }
  void destroy() noexcept override { delete this; }

  F source_;
  [[no_unique_address]] std::conditional_t<is_coroutine, none, task<T>> coroutine_;
};

/// A task that is about to run, and where its outcome will be.
template <class T>
struct started {
  task_base* task;
  outcome<T>* result;
};

/// Says why there is no stack, and throws std::system_error.
[[noreturn]] void throw_no_stack(stack::stack_pool& pool, std::error_code why);

/// What a stack has besides the callable that runs on it, at the least: for its first calls, and for the report of an
/// overflow in them to name the task.
inline constexpr std::size_t least_calls_bytes = 4 * std::size_t{1024};
/// Throws std::invalid_argument unless a stack of the pool has room for `task_bytes` and for calls.
void check_room_on_stack(const stack::stack_pool& pool, std::size_t task_bytes);

/// Whether to measure how much stack this task uses: the first few that call an F, and one use in a thousand.
template <class F>
[[nodiscard]] bool is_to_be_measured(stack::slot& slot) noexcept {
  constexpr std::uint32_t first = 4;
  static constinit std::atomic<std::uint32_t> measured{0};
  // relaxed, both: a number, and it may be a few more
  if (measured.load(std::memory_order_relaxed) < first) [[unlikely]] {
    measured.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  return slot.is_use_to_measure();
}

/// Gives a task that was just made what it has from the one that makes it.
inline void inherit(task_base& made, const spawn_options& options) {
  if (options.deadline == inherits_deadline::yes) made.set_deadline(current_task().deadline());
  inherit(made);
}

/// Makes the task; it does not run yet.
template <class F>
[[nodiscard]] started<spawned_t<F>> make_task(host& home, const spawn_options& options, std::source_location site,
                                              F&& f) {
  using value = spawned_t<F>;
  if constexpr (coroutine_source<F>) {
    auto* made = new spawned_coroutine<value, std::decay_t<F>>{&home, site, std::forward<F>(f)};
    made->set_name(options.name);
    if (options.stays_on_thread || home.keeps_tasks_on_their_threads()) [[unlikely]]
      made->stay_on_thread();
    inherit(*made, options);
    return {made, &made->result()};
  } else {
    auto& pool = home.stacks(options.stack_bytes);
    using task = spawned_virtual_thread<value, std::decay_t<F>>;
    // Smaller ones have room on the smallest stack.
    if constexpr (task::most_bytes() > stack::stack_pool::least_stack_bytes / 2) {
      check_room_on_stack(pool, task::most_bytes());
    }
    auto slot = pool.allocate();
    if (!slot) throw_no_stack(pool, slot.error());
    struct releaser {
      stack::slot* slot;
      ~releaser() {
        if (slot) slot->pool().release(slot);
      }
    } unless_made{*slot};
    if (is_to_be_measured<std::decay_t<F>>(**slot)) [[unlikely]]
      (*slot)->begin_measuring();
    auto& made = task::make(&home, site, **slot, std::forward<F>(f));
    unless_made.slot = nullptr;
    made.set_name(options.name);
    if (options.stays_on_thread || home.keeps_tasks_on_their_threads()) [[unlikely]]
      made.stay_on_thread();
    inherit(made, options);
    return {&made, &made.result()};
  }
}

/// Waits for the end of a task.
class end_operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::join;
  static constexpr bool locks_to_arm = true;
  explicit end_operation(task_base& target) noexcept : end_operation{&target} {}
  explicit end_operation(task_base* target) noexcept : target_{target} {}
  [[nodiscard]] bool has_target() const noexcept { return target_ != nullptr; }

  bool try_complete() const noexcept { return target_->has_ended(); }
  bool arm(wait_node& node) noexcept {
    WEFT_CHECK(target_ != node.task, "a task that joins itself would wait for ever: another joins it", "task", target_);
    return target_->arm_end(node);
  }
  void disarm(wait_node& node) noexcept { target_->disarm_end(node); }
  bool finish() const noexcept { return true; }
  value_type take() const { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(wait_description& into) const { into.add_known(kind, "task", target_, {target_}); }

 private:
  task_base* target_;
};

/// Waits for the end of a task whatever happens to the caller meanwhile, and gives what it returned. See
/// join_handle::join.
template <class T>
class join_operation {
 public:
  using value_type = T;
  static constexpr wait_kind kind = wait_kind::join;
  static constexpr bool runs_to_its_end = true;
  static constexpr bool locks_to_arm = true;
  join_operation(join_handle<T>& handle, task_base* target) noexcept : handle_{&handle}, end_{target} {}

  bool try_complete() const {
    WEFT_CHECK(end_.has_target(), "a task is joined once, and not after it was detached", "join_handle", handle_);
    return end_.try_complete();
  }
  bool arm(wait_node& node) noexcept { return end_.arm(node); }
  void disarm(wait_node& node) noexcept { end_.disarm(node); }
  bool finish() const noexcept { return true; }
  value_type take() { return handle_->join(); }
  [[noreturn]] static value_type fail(errc) { std::terminate(); }  // never called: runs_to_its_end
  void describe(wait_description& into) const { end_.describe(into); }

 private:
  join_handle<T>* handle_;
  end_operation end_;
};

/// Waits for the end of a task, whatever happens to the caller meanwhile.
void wait_for_end(task_base& target) noexcept;
/// The same for join(), which a deadlock may end: throws deadlock_error.
void wait_to_join(task_base& target);

// A handle's owner may let go of the task while another thread cancels it. The one happens with every task and costs a
// look at a number; the other, which is rare, pays for both:
//
//   owner       task := null        light fence   look at cancels_under_way:  0      -> nobody else has the task
//                                                                              other  -> wait for the canceller's mutex
//   canceller   cancels_under_way   heavy fence   look at task, under the mutex
//
// Of the two looks at least one sees the other's store. What a canceller does under the mutex calls no code of others.

/// How many threads are inside cancel_through().
inline constinit std::atomic<std::uint32_t> cancels_under_way{0};

/// Returns when no canceller has the task any more that the handle had.
void wait_for_cancellers() noexcept;

/// Cancels the task of a handle, unless the handle has none.
/// Thread: any, while the handle's owner may be in give_up().
void cancel_through(const std::atomic<task_base*>& handle) noexcept;

/// The owner lets go of the task of its handle: from here on nobody reaches it through that.
inline void give_up(std::atomic<task_base*>& handle) noexcept {
  // relaxed: the fence orders it before the look, see above
  handle.store(nullptr, std::memory_order_relaxed);
  base::asymmetric_fence_light();
  // acquire: comes after what cancellers did with the task; pairs with cancel_through()
  if (cancels_under_way.load(std::memory_order_acquire) != 0) [[unlikely]]
    wait_for_cancellers();
}

}  // namespace detail

/// A spawned task. Joined, or detached; otherwise the destructor cancels it and waits for its end. Empty when it was
/// made without a task, joined, detached or moved from.
/// Thread: one at a time; but cancel() any, while another joins or detaches it as well.
template <class T>
class [[nodiscard]] join_handle {
  static_assert(!std::is_rvalue_reference_v<T>, "a task returns a value, or a reference to what outlives it: no T&&");

 public:
  using awaited_as_it_is = void;
  join_handle() = default;
  explicit join_handle(detail::started<T> started) noexcept : task_{started.task}, result_{started.result} {}
  join_handle(join_handle&& other) noexcept : task_{other.get()}, result_{std::exchange(other.result_, nullptr)} {
    other.set(nullptr);
  }
  join_handle& operator=(join_handle&& other) noexcept {
    auto* mine = get();
    set(other.get());
    other.set(mine);
    std::swap(result_, other.result_);
    return *this;
  }
  /// Cancels the task and waits until it has ended. What it threw is lost. A coroutine blocks its OS thread, and its
  /// seat goes on with another: it may co_await async_wait() first.
  /// Parks.
  ~join_handle() {
    auto* task = get();
    if (!task) return;
    task->cancel();
    detail::wait_for_end(*task);
    let_go();
  }

  /// Whether it has a task: false where it is empty.
  [[nodiscard]] bool joinable() const noexcept { return get() != nullptr; }
  /// Not of an empty one.
  [[nodiscard]] bool has_ended() const noexcept { return known().has_ended(); }
  /// For tests: see runnable::is_parked. Not of an empty one.
  [[nodiscard]] bool is_parked() const noexcept { return known().is_parked(); }

  /// Waits for the end and returns what the task returned, or throws what it threw. Once.
  /// Parks.
  /// Cancel: neither the caller's cancel nor its deadline ends it; await(async_wait()) is for those.
  /// Throws deadlock_error, and can be called again, when the wait is part of a deadlock and the runtime ends those.
  T join() {
    auto* task = get();
    WEFT_CHECK(task != nullptr, "a task is joined once, and not after it was detached", "join_handle", this);
    detail::wait_to_join(*task);
    struct releaser {
      join_handle& handle;
      ~releaser() { handle.let_go(); }
    } guard{*this};
    return result_->take();
  }

  /// The end of the task as an operation: cancellable, with deadlines, for select and co_await. After it, join() does
  /// not wait. Not of an empty one.
  [[nodiscard]] detail::end_operation async_wait() const { return detail::end_operation{known()}; }

  /// join() as an operation, for coroutines: `co_await handle.async_join()`, for which `co_await handle` is short.
  /// Neither a cancel nor a deadline ends it.
  [[nodiscard]] detail::join_operation<T> async_join() noexcept { return {*this, get()}; }
  [[nodiscard]] auto operator co_await() noexcept { return detail::owning_awaiter{async_join()}; }

  /// Asks the task to stop: its present and future waits fail with errc::cancelled. Does not wait. Of an empty one it
  /// does nothing: the task has ended, or is somebody else's.
  /// Thread: any, while the handle is not moved, assigned to or destroyed.
  void cancel() noexcept { detail::cancel_through(task_); }

  /// Lets the task go on alone; the runtime cancels it, and waits for it, when run() ends. An exception that leaves it
  /// ends the program: catch what may be thrown. A deadline that it inherited still holds: see spawn_options::deadline.
  /// Not of an empty one.
  void detach() {
    auto& task = known();
    detail::give_up(task_);
    task.home_host()->keep_until_end(task);
    if (task.has_ended()) result_->discard_value();
    task.release();
  }

 private:
  // relaxed, both: the owner's own; give_up() and cancel_through() order what others do.
  [[nodiscard]] detail::task_base* get() const noexcept { return task_.load(std::memory_order_relaxed); }
  void set(detail::task_base* task) noexcept { task_.store(task, std::memory_order_relaxed); }

  [[nodiscard]] detail::task_base& known() const {
    auto* task = get();
    WEFT_CHECK(task != nullptr, "the handle is empty: its task was joined, detached or moved to another handle",
               "join_handle", this);
    return *task;
  }

  /// After the end. The value's life ends here, in a task that may wait, and not where the last reference goes.
  void let_go() noexcept {
    auto* task = get();
    result_->discard_value();
    detail::give_up(task_);
    task->release();
  }

  std::atomic<detail::task_base*> task_{nullptr};  // written by the owner alone
  detail::outcome<T>* result_ = nullptr;
};

/// Starts a task, which inherits the deadline in force. A callable runs on a virtual thread; a callable that returns a
/// weft::task, or a weft::task itself, runs as a coroutine. Now and then (once in 16) a virtual thread that spawns lets
/// others run before it goes on.
/// Throws std::system_error when there is no memory, or no mapping, for a stack; it says which limit to raise.
/// Throws std::invalid_argument when the callable, or what it returns, is too large for the stack, on which both lie.
template <class F>
join_handle<detail::spawned_t<F>> spawn(const spawn_options& options, F&& f,
                                        std::source_location site = std::source_location::current()) {
  auto started = detail::make_task(detail::host_to_spawn_in(), options, site, std::forward<F>(f));
  started.task->give_handle();
  started.task->home()->schedule_spawned(*started.task);
  detail::count_spawn();
  return join_handle<detail::spawned_t<F>>{started};
}

template <class F>
join_handle<detail::spawned_t<F>> spawn(F&& f, std::source_location site = std::source_location::current()) {
  return spawn(spawn_options{}, std::forward<F>(f), site);
}

/// Runs `f` as a task of `home` and waits for it; returns what it returned or throws what it threw. It inherits the
/// deadline in force. For plain OS threads, and for tasks of other runtimes.
template <class F>
detail::spawned_t<F> run_in(detail::host& home, const spawn_options& options, F&& f,
                            std::source_location site = std::source_location::current()) {
  auto started = detail::make_task(home, options, site, std::forward<F>(f));
  started.task->give_handle();
  home.schedule_last(*started.task);
  return join_handle<detail::spawned_t<F>>{started}.join();
}

}  // namespace weft
