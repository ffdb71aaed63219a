#include <memory>
#include <thread>

#include <weft/base/check.hpp>
#include <weft/sched/detail/fork.hpp>

#include "weft/base/detail/own_thread.hpp"
#include "weft/io/detail/reactor.hpp"

namespace weft::io {
namespace {

/// For OS threads that no scheduler runs, and for seats whose driver is another: a reactor and a thread that polls it,
/// from first need to the end of the process. Never destroyed: static objects may wait when they end.
class standby_reactor {
 public:
  standby_reactor() {
    std::thread{[this] { work(); }}.detach();
  }

  [[nodiscard]] reactor& get() noexcept { return *reactor_; }

 private:
  [[nodiscard]] static std::unique_ptr<reactor> make() {
    auto made = make_epoll_reactor();
    WEFT_CHECK(made, "no file descriptors left for the reactor of plain OS threads: raise the limit (ulimit -n)");
    return std::move(*made);
  }

  [[noreturn]] void work() {
    base::become_own_thread("weft-standby");
    for (;;) reactor_->poll(no_deadline);
  }

  sched::thread_owner owner_;
  std::unique_ptr<reactor> reactor_ = make();
};

[[nodiscard]] reactor& reactor_of(sched::driver* mine) {
  if (auto* found = dynamic_cast<reactor*>(mine)) return *found;
  static auto& standby = *new standby_reactor;
  return standby.get();
}

}  // namespace

reactor_here::reactor_here() : reactor_{reactor_of(seat_.get())} {}

}  // namespace weft::io
