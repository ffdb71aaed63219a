#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <mutex>
#include <source_location>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/compute/detail/compute_pool.hpp>
#include <weft/compute/parallel_task.hpp>
#include <weft/task/detail/host.hpp>
#include <weft/task/detail/outcome.hpp>
#include <weft/task/operation.hpp>

namespace weft::detail {

/// The half of an operation that waits for the compute carriers: a task queues, and parks until the computation is
/// over. What is computed lives in the operation: nothing is allocated.
class computation : public compute_job {
 public:
  static constexpr wait_kind kind = wait_kind::compute;

  [[nodiscard]] bool try_complete() noexcept {
    use_.check("computation", this);
    use_.spend();
    return false;
  }
  [[nodiscard]] bool arm(wait_node& node) noexcept;
  void disarm(wait_node&) noexcept {}
  [[nodiscard]] bool finish() noexcept { return true; }

 protected:
  computation() = default;
  // Moved before it is armed only.
  computation(computation&& other) noexcept : compute_job{}, use_{std::move(other.use_)} {}
  ~computation() = default;

  /// Queues it. True: over already, with errc::overloaded in refused_with(), the node claimed.
  [[nodiscard]] bool enter(wait_node& node, compute_pool::entry how) noexcept;
  [[nodiscard]] errc refused_with() const noexcept { return refused_with_; }

  /// On a carrier: the waiter goes on. The computation may be gone on return.
  void complete() noexcept;
  /// The same from a task that was given its carrier, with run_task(): the clock is held up by that.
  void notify_waiter() noexcept;

  enum class leaving : std::uint8_t { withdrawn, over, under_way };
  /// The wait was cancelled or timed out: takes the computation out of the queue; where it has begun, waits on as wait
  /// `epoch`.
  [[nodiscard]] leaving leave(std::uint64_t epoch) noexcept;
  /// Waits on as wait `epoch`, begun or not. False: it is over.
  [[nodiscard]] bool keep_waiting(std::uint64_t epoch) noexcept;

  /// The pool that it runs in; null on a plain OS thread.
  [[nodiscard]] detail::compute_pool* pool() const noexcept { return home_ ? &home_->compute_pool() : nullptr; }
  [[nodiscard]] host* home() const noexcept { return home_; }
  [[nodiscard]] task_base& waiter() const noexcept { return static_cast<task_base&>(*node_->task); }
  /// Where the waiter's time goes, or null.
  [[nodiscard]] accounting* account() const noexcept { return account_; }

  mutable base::spin_lock lock_;  // guards what others than the waiter and its carrier touch while it is under way

 private:
  wait_node* node_ = nullptr;
  host* home_ = nullptr;
  accounting* account_ = nullptr;
  errc refused_with_{};
  bool over_ = false;  // under lock_, as the node's epoch against notify_waiter()
  single_use use_;
};

/// fork_join() as an operation, without what depends on the types.
class fork_join_base : public computation, public fork_root {
 public:
  /// No new child begins, and the wait goes on until those that have begun are through. See left_by_request.
  [[nodiscard]] bool request_cancel(wait_node& node, std::uint64_t epoch) noexcept;
  [[nodiscard]] bool interrupted() const noexcept { return withdrawn_; }

 protected:
  fork_join_base() = default;
  fork_join_base(fork_join_base&& other) noexcept : computation{std::move(other)} {}
  ~fork_join_base() = default;

  void run(compute_carrier& on) noexcept final;
  /// On an OS thread: a carrier helps until it is over, any other computes it alone.
  void run_in_place() noexcept;
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  /// Makes the outermost frame, which the carrier's loop runs next. False: there was no memory, or it was stopped.
  [[nodiscard]] virtual bool begin_outermost() = 0;
  void begin_here() noexcept;
  void ended(std::exception_ptr error) noexcept final;

  std::exception_ptr error_;
  compute_carrier* helper_ = nullptr;  // who waits in place
  std::atomic<bool> ended_{false};
  bool withdrawn_ = false;
};

template <class F, class... Args>
class fork_join_operation final : public fork_join_base {
 public:
  using value_type = parallel_result_t<F&, Args&...>;

  template <class... Given>
  explicit fork_join_operation(F f, Given&&... args)
      : function_{std::move(f)}, arguments_{std::forward<Given>(args)...} {}
  fork_join_operation(fork_join_operation&& other) noexcept
      : fork_join_base{std::move(other)},
        function_{std::move(other.function_)},
        arguments_{std::move(other.arguments_)} {}

  value_type take() {
    rethrow();
    if constexpr (!std::is_void_v<value_type>) return std::move(value_);
  }
  [[noreturn]] static value_type fail(errc why) { throw std::system_error{why}; }
  value_type block(time_point) {
    run_in_place();
    return take();
  }

 private:
  bool begin_outermost() override {
    auto begun = std::apply([this](auto&... args) { return begin_parallel(function_, args...); }, arguments_);
    if (!begun) return false;
    auto& outermost = begun.promise();
    outermost.how = fork_frame::kind::root;
    if constexpr (!std::is_void_v<value_type>) outermost.result = &value_;
    compute_carrier::here().run_next(outermost);
    return true;
  }

  F function_;
  std::tuple<Args...> arguments_;
  value_or_unit<value_type> value_{};
};

}  // namespace weft::detail
