#pragma once

#include <chrono>

#include <weft/task/detail/virtual_thread.hpp>

namespace weft::detail {

/// While it lives, compute carriers run a virtual thread, also when it goes on after a wait.
/// Thread: that virtual thread.
class compute_placement final : public ready_queue {
 public:
  /// What follows: most go back to a seat; one that has ended after it need not.
  enum class afterwards : bool { on_a_seat, nothing };

  /// Moves `self` to a compute carrier unless one runs it.
  explicit compute_placement(virtual_thread& self, afterwards then = afterwards::on_a_seat) noexcept
      : self_{self}, then_{then} {
    self.set_own_queue(this);
    if (!self.is_on_compute_carrier()) self.migrate();
    wait_is_over();
  }
  ~compute_placement() {
    self_.set_own_queue(nullptr);
    if (then_ == afterwards::on_a_seat) self_.migrate();
  }
  compute_placement(const compute_placement&) = delete;
  compute_placement& operator=(const compute_placement&) = delete;

  /// How long it has computed; what it waited is not included.
  [[nodiscard]] std::chrono::nanoseconds so_far() const noexcept {
    return before_ + (std::chrono::steady_clock::now() - since_);
  }

  void wait_begins() noexcept override { before_ = so_far(); }
  void wait_is_over() noexcept override { since_ = std::chrono::steady_clock::now(); }
  void push(virtual_thread& ready) noexcept override;

 private:
  virtual_thread& self_;
  const afterwards then_;
  std::chrono::nanoseconds before_{};
  std::chrono::steady_clock::time_point since_{};
};

}  // namespace weft::detail
