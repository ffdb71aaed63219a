#pragma once

#include <functional>
#include <utility>

#include <weft/stack/detail/context.hpp>
#include <weft/stack/detail/stack_pool.hpp>

namespace weft::stack {

/// A flow that runs `body` on a stack of its own and goes back and forth with whoever resumes it.
class flow {
 public:
  flow(stack_pool& pool, std::function<void(flow&)> body) : stack_(pool.allocate().value()), body_(std::move(body)) {
    self_.prepare(stack_->bottom(), stack_->top(), stack_, &flow::run, this);
  }
  ~flow() { stack_->pool().release(stack_); }
  flow(const flow&) = delete;
  flow& operator=(const flow&) = delete;

  /// Runs the flow in the calling OS thread until it pauses or ends.
  void resume() {
    context caller;
    caller_ = &caller;
    context::switch_to(caller, self_);
  }

  /// Called by the body: goes back to whoever resumed it.
  void pause() { context::switch_to(self_, *caller_); }

  [[nodiscard]] bool ended() const { return ended_; }
  std::size_t backtrace(void** addresses, std::size_t capacity) const { return self_.backtrace(addresses, capacity); }
  [[nodiscard]] slot& stack() const { return *stack_; }

 private:
  static void run(void* argument) {
    auto& self = *static_cast<flow*>(argument);
    self.body_(self);
    self.body_ = nullptr;
    self.ended_ = true;
    context::exit_to(self.self_, *self.caller_);
  }

  slot* stack_;
  std::function<void(flow&)> body_;
  context self_;
  context* caller_ = nullptr;
  bool ended_ = false;
};

}  // namespace weft::stack
