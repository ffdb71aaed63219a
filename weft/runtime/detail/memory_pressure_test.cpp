#include <gtest/gtest.h>

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weft/runtime/runtime.hpp>
#include <weft/stack/detail/parked_flows.hpp>
#include <weft/sync/event.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/spawn.hpp>

#include "tests/support/task_fixture.hpp"
#include "weft/runtime/detail/hibernator.hpp"
#include "weft/runtime/detail/memory_pressure.hpp"

namespace weft {
namespace {

using namespace std::chrono_literals;

/// A descriptor that reports POLLPRI on demand, as the kernel's pressure files do: urgent data of a TCP connection.
class urgent_connection {
 public:
  urgent_connection() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener, 1), 0);
    EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
    sender_ = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(sender_, reinterpret_cast<sockaddr*>(&address), size), 0);
    receiver_ = ::accept(listener, nullptr, nullptr);
    ::close(listener);
  }
  ~urgent_connection() { ::close(sender_); }

  /// Its new owner closes it.
  [[nodiscard]] int receiver() const { return receiver_; }
  void report() const { EXPECT_EQ(::send(sender_, "!", 1, MSG_OOB), 1); }
  void take_report() const {
    char byte = 0;
    EXPECT_EQ(::recv(receiver_, &byte, 1, MSG_OOB), 1);
  }

 private:
  int sender_ = -1, receiver_ = -1;
};

TEST(memory_pressure, each_report_of_the_kernel_calls_the_function) {
  urgent_connection kernel;
  event called{};
  int calls = 0;
  detail::memory_pressure pressure;
  EXPECT_FALSE(pressure.is_watching());
  pressure.start(kernel.receiver(), [&] {
    kernel.take_report();
    ++calls;
    called.set();
  });
  EXPECT_TRUE(pressure.is_watching());
  for (int i = 1; i <= 3; ++i) {
    kernel.report();
    called.wait().value();
    called.reset();
    EXPECT_EQ(calls, i);
  }
  pressure.stop();
  EXPECT_FALSE(pressure.is_watching());
}

TEST(memory_pressure, stopping_ends_the_wait_for_a_report_that_never_comes) {
  urgent_connection kernel;
  detail::memory_pressure pressure;
  pressure.start(kernel.receiver(), [] { ADD_FAILURE() << "nobody reported"; });
  pressure.stop();
}

TEST(memory_pressure, a_runtime_that_may_put_stacks_away_listens_to_the_kernel_where_that_tells) {
  const int file = ::open("/proc/pressure/memory", O_RDWR);
  if (file < 0) GTEST_SKIP() << "no pressure information: a kernel without PSI, or it is kept from this process";
  ::close(file);
  runtime puts_away{{.seats = 1}};
  EXPECT_TRUE(puts_away.hibernation().watches_memory_pressure);
  runtime does_not{{.seats = 1, .hibernate_after = no_hibernation}};
  EXPECT_FALSE(does_not.hibernation().watches_memory_pressure);
}

TEST(memory_pressure, what_stays_parked_is_put_away_and_wakes_as_ever) {
  if (auto why = stack::hibernation_obstacle(); !why.empty()) GTEST_SKIP() << why;
  runtime home{{.seats = 1, .hibernate_after = no_hibernation}};
  run_in(home, {.name = "test"}, [&] {
    constexpr std::size_t count = 50;
    event go;
    std::vector<join_handle<std::size_t>> parked;
    for (std::size_t i = 0; i < count; ++i) {
      parked.push_back(spawn([&go, i] {
        go.wait().value();
        return i;
      }));
    }
    for (const auto& each : parked) testing::run_until_parked(each);
    detail::hibernator under_pressure{home, 1h};  // its thread is not started: all that happens is what is asked for
    blocking([&] { under_pressure.relieve(); });
    EXPECT_EQ(under_pressure.statistics().relieved, 1u);
    EXPECT_EQ(under_pressure.statistics().put_away, count);
    go.set();
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(parked[i].join(), i);
  });
}

}  // namespace
}  // namespace weft
