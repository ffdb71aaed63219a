#include <weft/task/foreign_wait.hpp>

#include <weft/base/detail/block_cache.hpp>
#include <weft/sched/detail/scheduler.hpp>

namespace weft::detail {

class bridge::promise_type {
 public:
  explicit promise_type(bridge_end& end) noexcept : end_{end} {}

  [[nodiscard]] bridge get_return_object() noexcept {
    return bridge{std::coroutine_handle<promise_type>::from_promise(*this)};
  }
  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] auto final_suspend() const noexcept {
    struct crossing {
      [[nodiscard]] bool await_ready() const noexcept { return false; }
      [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> crossed) const noexcept {
        auto& end = crossed.promise().end_;
        crossed.destroy();
        return end.resumed();
      }
      void await_resume() const noexcept {}
    };
    return crossing{};
  }
  void return_void() const noexcept {}
  void unhandled_exception() const noexcept { std::terminate(); }

  [[nodiscard]] static void* operator new(std::size_t bytes) { return base::allocate_block(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { base::release_block(frame, bytes); }

 private:
  bridge_end& end_;
};

bridge bridge::to([[maybe_unused]] bridge_end& end) { co_return; }

/// Waits until another library has resumed the bridge.
class stack_bridge_end::operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::blocking;
  static constexpr bool runs_to_its_end = true;
  static constexpr bool locks_to_arm = true;
  explicit operation(stack_bridge_end& end) noexcept : end_{&end} {}

  bool try_complete() const noexcept {
    std::lock_guard guard{end_->lock_};
    return end_->was_resumed_;
  }
  bool arm(wait_node& node) const noexcept {
    std::lock_guard guard{end_->lock_};
    if (end_->was_resumed_) return node.claim();
    end_->waiter_ = &node;
    return false;
  }
  void disarm(wait_node&) const noexcept {}
  bool finish() const noexcept { return true; }
  value_type take() const { return {}; }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  stack_bridge_end* end_;
};

// While others have the bridge, the clock of a test stands still.
void stack_bridge_end::wait() noexcept {
  auto* home = current_stack().home();
  if (home) home->external_work_started();
  static_cast<void>(await(operation{*this}));
  if (home) home->external_work_ended();
}

std::coroutine_handle<> stack_bridge_end::resumed() noexcept {
  wait_node* waiter = nullptr;
  {
    std::lock_guard guard{lock_};
    was_resumed_ = true;
    if (waiter_ && waiter_->claim()) waiter = waiter_;
  }
  if (waiter) waiter->notify();
  return std::noop_coroutine();
}

}  // namespace weft::detail
