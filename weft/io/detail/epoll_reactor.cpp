#include <array>
#include <cerrno>
#include <chrono>

#include <sys/epoll.h>
#include <unistd.h>

#include <weft/base/check.hpp>

#include "weft/io/detail/reactor.hpp"
#include "weft/io/detail/time.hpp"
#include "weft/io/detail/wake_state.hpp"

namespace weft::io {
namespace {

using detail::descriptor;

constexpr std::uint64_t woken = 0;  // never a descriptor's token

/// Waits in epoll. Each descriptor is added once, edge-triggered, for both directions; closing it removes it.
class epoll_reactor final : public reactor {
 public:
  epoll_reactor(int epoll, int eventfd) noexcept : epoll_{epoll}, eventfd_{eventfd} {}
  ~epoll_reactor() override {
    descriptor::forget_reactor(*this);
    ::close(eventfd_);
    ::close(epoll_);
  }

  void poll(time_point deadline) override {
    bool waits = deadline != time_point::min() && wake_.begin_wait();
    std::array<epoll_event, 256> events;
    int count = wait(events, waits ? deadline : time_point::min());
    if (waits) wake_.end_wait();
    for (int i = 0; i < count; ++i) deliver(events[static_cast<std::size_t>(i)]);
  }

  void wake() noexcept override { wake_.wake(eventfd_); }

  int add(int number, descriptor::token life) noexcept override {
    return add_events(number, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, life);
  }

  int add_from_elsewhere(descriptor&, int number, descriptor::token life) noexcept override {
    return add(number, life);
  }

  void remove(descriptor&, int number, descriptor::token) noexcept override { descriptor::close_number(number); }

  [[nodiscard]] int add_events(int number, std::uint32_t events, std::uint64_t data) noexcept {
    epoll_event event{.events = events, .data = {.u64 = data}};
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, number, &event) == 0 ? 0 : errno;
  }

 private:
  [[nodiscard]] int wait(std::array<epoll_event, 256>& events, time_point deadline) noexcept {
    auto timeout = until(deadline);
    int count = static_cast<int>(events.size());
    if (!coarse_) {
      int found = ::epoll_pwait2(epoll_, events.data(), count, timeout ? &*timeout : nullptr, nullptr);
      if (found >= 0 || errno != ENOSYS) return found;
      coarse_ = true;
    }
    // Kernels before 5.11 count in milliseconds; rounded up, so that a deadline has passed when it is looked at.
    using namespace std::chrono;
    int milliseconds_left = -1;
    if (timeout) {
      auto left = ceil<milliseconds>(seconds{timeout->tv_sec} + nanoseconds{timeout->tv_nsec});
      milliseconds_left = static_cast<int>(std::min<milliseconds::rep>(left.count(), 3'600'000));
    }
    return ::epoll_wait(epoll_, events.data(), count, milliseconds_left);
  }

  static void deliver(const epoll_event& event) noexcept {
    if (event.data.u64 == woken) return;
    bool failed = event.events & (EPOLLERR | EPOLLHUP);
    descriptor::deliver(event.data.u64, {.receive = failed || (event.events & (EPOLLIN | EPOLLRDHUP)),
                                         .send = failed || (event.events & EPOLLOUT),
                                         .hung_up = failed || (event.events & EPOLLRDHUP)});
  }

  const int epoll_;
  const int eventfd_;
  wake_state wake_;
  bool coarse_ = false;  // the kernel lacks epoll_pwait2
};

}  // namespace

result<std::unique_ptr<reactor>> make_epoll_reactor() {
  int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return failure_from_errno(errno);
  auto eventfd = wake_state::make_eventfd();
  if (!eventfd) {
    ::close(epoll);
    return std::unexpected{eventfd.error()};
  }
  auto made = std::make_unique<epoll_reactor>(epoll, *eventfd);
  if (int error = made->add_events(*eventfd, EPOLLIN | EPOLLET, woken)) return failure_from_errno(error);
  return made;
}

}  // namespace weft::io
