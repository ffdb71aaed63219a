#include <condition_variable>
#include <mutex>

#include <weft/sched/driver.hpp>

namespace weft::sched {
namespace {

class parking_driver final : public driver {
 public:
  void poll(time_point deadline) override {
    std::unique_lock lock{mutex_};
    if (deadline == no_deadline) {
      woken_condition_.wait(lock, [this] { return woken_; });
    } else if (deadline != time_point::min()) {
      woken_condition_.wait_until(lock, deadline, [this] { return woken_; });
    }
    woken_ = false;
  }

  void wake() noexcept override {
    std::lock_guard guard{mutex_};
    woken_ = true;
    woken_condition_.notify_one();
  }

 private:
  std::mutex mutex_;  // guards woken_
  std::condition_variable woken_condition_;
  bool woken_ = false;
};

}  // namespace

std::unique_ptr<driver> make_parking_driver() { return std::make_unique<parking_driver>(); }

}  // namespace weft::sched
