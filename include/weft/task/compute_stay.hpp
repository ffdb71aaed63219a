#pragma once

#include <chrono>

#include <weft/task/virtual_thread.hpp>

namespace weft::detail {

/// While it lives, compute carriers run a virtual thread, also when it goes on after a wait.
/// Thread: that virtual thread.
class compute_stay {
 public:
  /// What follows: most go back to a seat; one that has ended after it need not.
  enum class afterwards : bool { on_a_seat, nothing };

  /// Moves `self` to a compute carrier unless one runs it.
  explicit compute_stay(virtual_thread& self, afterwards then = afterwards::on_a_seat) noexcept
      : self_{self}, then_{then} {
    self.set_stay(this);
    if (!self.is_on_compute_carrier()) self.move();
    start_clock();
  }
  ~compute_stay() {
    self_.set_stay(nullptr);
    if (then_ == afterwards::on_a_seat) self_.move();
  }
  compute_stay(const compute_stay&) = delete;
  compute_stay& operator=(const compute_stay&) = delete;

  /// How long it has computed; what it waited is not included.
  [[nodiscard]] std::chrono::nanoseconds so_far() const noexcept {
    return before_ + (std::chrono::steady_clock::now() - since_);
  }

  /// Around each wait.
  void stop_clock() noexcept { before_ = so_far(); }
  void start_clock() noexcept { since_ = std::chrono::steady_clock::now(); }

 private:
  virtual_thread& self_;
  const afterwards then_;
  std::chrono::nanoseconds before_{};
  std::chrono::steady_clock::time_point since_{};
};

}  // namespace weft::detail
