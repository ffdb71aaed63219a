#include <atomic>
#include <memory>
#include <thread>

#include <weft/base/check.hpp>
#include <weft/sched/fork.hpp>

#include "base/own_thread.hpp"
#include "io/reactor.hpp"

namespace weft::io {
namespace {

/// For OS threads that no scheduler runs, and for seats whose driver is another: a reactor and a thread that polls it,
/// from first need to the end of the program.
class standby_reactor {
 public:
  standby_reactor() : thread_{[this] { work(); }} {}
  ~standby_reactor() {
    if (sched::lost_its_threads()) {
      thread_.detach();  // there is none
      return;
    }
    // relaxed: published by wake()
    stopping_.store(true, std::memory_order_relaxed);
    reactor_->wake();
    thread_.join();
  }

  [[nodiscard]] reactor& get() noexcept { return *reactor_; }

 private:
  [[nodiscard]] static std::unique_ptr<reactor> make() {
    auto made = make_epoll_reactor();
    WEFT_CHECK(made, "no file descriptors left for the reactor of plain OS threads: raise the limit (ulimit -n)");
    return std::move(*made);
  }

  void work() {
    base::become_own_thread("weft-standby");
    // relaxed: see the destructor
    while (!stopping_.load(std::memory_order_relaxed)) reactor_->poll(no_deadline);
  }

  sched::thread_owner owner_;
  std::unique_ptr<reactor> reactor_ = make();
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

[[nodiscard]] reactor& reactor_of(sched::driver* mine) {
  if (auto* found = dynamic_cast<reactor*>(mine)) return *found;
  static standby_reactor standby;
  return standby.get();
}

}  // namespace

reactor_here::reactor_here() : reactor_{reactor_of(seat_.get())} {}

}  // namespace weft::io
