#include <weft/parallel/parallel_for.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>

#include <weft/base/spin_lock.hpp>
#include <weft/task/operation.hpp>
#include <weft/task/outcome.hpp>
#include <weft/task/runtime.hpp>

namespace weft::detail {
namespace {

// The indices are handed out in parts through `next_`; `left_` counts those not yet done. Helpers share the loop by
// reference count, since one may start only after the loop is over, and then finds nothing to do.
//
// The caller's body and context are touched only between taking a part and counting it done, so not after `left_` is 0.

/// One loop under way.
class parallel_loop {
 public:
  parallel_loop(std::size_t first, std::size_t last, std::size_t part, void (*body)(void*, std::size_t, std::size_t),
                void* context) noexcept
      : last_{last}, part_{part}, body_{body}, context_{context}, next_{first}, left_{last - first} {}

  /// Takes parts until there are none left.
  void work() noexcept {
    for (;;) {
      // relaxed: hands out numbers; what the body needs was published by whoever started this thread on it
      auto begin = next_.load(std::memory_order_relaxed);
      do {
        if (begin >= last_) return;
        // relaxed: as above
      } while (!next_.compare_exchange_weak(begin, begin + std::min(part_, last_ - begin), std::memory_order_relaxed));
      auto end = begin + std::min(part_, last_ - begin);
      // relaxed: a hint; a part more or less does not matter
      if (!failed_.load(std::memory_order_relaxed)) run(begin, end);
      // acq_rel: what the body did is seen by whoever counts the last part, and so by the waiter
      if (left_.fetch_sub(end - begin, std::memory_order_acq_rel) == end - begin) finish();
    }
  }

  [[nodiscard]] bool over() const noexcept {
    // acquire: pairs with the release in work()
    return left_.load(std::memory_order_acquire) == 0;
  }

  bool arm(wait_node& node) noexcept {
    std::lock_guard guard{lock_};
    if (over()) return node.claim();
    waiter_ = &node;
    return false;
  }

  void rethrow() {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void run(std::size_t begin, std::size_t end) noexcept {
    try {
      body_(context_, begin, end);
    } catch (...) {
      std::lock_guard guard{lock_};
      if (!error_) error_ = std::current_exception();
      failed_.store(true, std::memory_order_relaxed);  // relaxed: see work()
    }
  }

  void finish() noexcept {
    wait_node* waiter = nullptr;
    {
      std::lock_guard guard{lock_};
      waiter = waiter_;
    }
    // The wait runs to its end, so nobody else can have claimed it.
    if (waiter && waiter->claim()) waiter->notify();
  }

  const std::size_t last_, part_;
  void (*const body_)(void*, std::size_t, std::size_t);
  void* const context_;
  std::atomic<std::size_t> next_, left_;
  std::atomic<bool> failed_{false};
  base::spin_lock lock_;  // guards waiter_ and error_
  wait_node* waiter_ = nullptr;
  std::exception_ptr error_;
};

/// One worker's share of a loop; deletes itself.
class helper final : public job {
 public:
  helper(std::shared_ptr<parallel_loop> loop, runtime* home) noexcept : loop_{std::move(loop)}, home_{home} {}

 private:
  void run() noexcept override {
    auto* home = home_;
    loop_->work();
    delete this;
    if (home) home->external_work_ended();
  }

  std::shared_ptr<parallel_loop> loop_;
  runtime* home_;
};

class loop_operation {
 public:
  using value_type = unit;
  static constexpr wait_kind kind = wait_kind::compute;
  static constexpr bool runs_to_its_end = true;
  explicit loop_operation(parallel_loop& loop) noexcept : loop_{&loop} {}

  bool try_complete() const noexcept { return loop_->over(); }
  bool arm(wait_node& node) noexcept { return loop_->arm(node); }
  void disarm(wait_node&) noexcept {}
  bool finish() const noexcept { return true; }
  value_type take() const noexcept { return {}; }
  static value_type fail(errc) { std::terminate(); }  // never called: runs_to_its_end

 private:
  parallel_loop* loop_;
};

}  // namespace

void run_parallel(std::size_t first, std::size_t last, void (*body)(void*, std::size_t, std::size_t), void* context) {
  if (first >= last) return;
  auto* home = runtime::current();
  auto* own_pool = worker_pool::current();
  auto* pool = own_pool ? own_pool : home ? &home->compute_pool() : nullptr;
  if (!pool) {
    body(context, first, last);
    return;
  }
  constexpr std::size_t parts_per_worker = 8;  // so that a slow part leaves the others something to take
  auto workers = std::min(pool->most_threads(), last - first);
  auto part = std::max<std::size_t>(1, (last - first) / (workers * parts_per_worker));
  auto loop = std::make_shared<parallel_loop>(first, last, part, body, context);
  // A compute carrier takes part; a task must not, since it holds a seat.
  for (std::size_t i = own_pool ? 1 : 0; i < workers; ++i) {
    if (home) home->external_work_started();
    pool->submit(*new helper{loop, home});
  }
  if (own_pool) loop->work();
  static_cast<void>(await(loop_operation{*loop}));
  loop->rethrow();
}

}  // namespace weft::detail
