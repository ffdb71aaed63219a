#include "weft/runtime/detail/memory_pressure.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "weft/base/detail/own_thread.hpp"

namespace weft::detail {
namespace {

/// Opens a pressure file and says what to report; -1 when that is not possible.
[[nodiscard]] int open_trigger(const std::string& path) noexcept {
  constexpr std::string_view wanted = "some 100000 2000000";  // us of waiting, within us
  const int file = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return -1;
  // With the zero at its end, as the kernel's documentation has it.
  if (::write(file, wanted.data(), wanted.size() + 1) > 0) return file;
  ::close(file);
  return -1;
}

/// The control group's own file where there is one that the process may use; else the machine's.
[[nodiscard]] int open_pressure_file() {
  std::ifstream groups{"/proc/self/cgroup"};
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::")) continue;
    if (const int own = open_trigger("/sys/fs/cgroup" + line.substr(3) + "/memory.pressure"); own >= 0) return own;
  }
  return open_trigger("/proc/pressure/memory");
}

void wait_for_pressure(int pressure, int stop_event, const std::function<void()>& relieve) noexcept {
  base::become_own_thread("weft-pressure");
  for (;;) {
    std::array<pollfd, 2> waits{{{pressure, POLLPRI, 0}, {stop_event, POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    // The control group went away, or the file did: nothing comes any more.
    if ((waits[0].revents & (POLLERR | POLLNVAL)) != 0) return;
    if ((waits[0].revents & POLLPRI) != 0) relieve();
  }
}

}  // namespace

void memory_pressure::start(std::function<void()> relieve) {
  if (const int file = open_pressure_file(); file >= 0) start(file, std::move(relieve));
}

void memory_pressure::start(int descriptor, std::function<void()> relieve) {
  descriptor_ = descriptor;
  stop_event_ = ::eventfd(0, EFD_CLOEXEC);
  if (stop_event_ >= 0) {
    thread_ = std::thread{[this, act = std::move(relieve)] { wait_for_pressure(descriptor_, stop_event_, act); }};
  }
}

void memory_pressure::stop() noexcept {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    // Cannot fail: the counter is far from its end.
    static_cast<void>(::write(stop_event_, &one, sizeof one));
    thread_.join();
  }
  for (auto* each : {&descriptor_, &stop_event_}) {
    if (*each >= 0) ::close(std::exchange(*each, -1));
  }
}

}  // namespace weft::detail
