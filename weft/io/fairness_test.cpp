#include <algorithm>
#include <cstdint>

#include <weft/runtime/runtime.hpp>
#include "tests/support/io_fixture.hpp"

// One seat, and no watchdog: what runs when depends on nothing but the scheduler and the kernel's answers, so the
// bounds are counted in resumptions and operations.

namespace weft {
namespace {

using namespace testing;

constexpr std::uint64_t driver_interval = 16 * 61;  // see scheduler.hpp

class fairness : public ::testing::TestWithParam<std::tuple<reactor_kind, waiter>> {
 protected:
  template <class F>
  void run(F f) {
    auto reactor = std::get<0>(GetParam());
    if (reactor == reactor_kind::io_uring && !io::make_io_uring_reactor()) {
      GTEST_SKIP() << "this kernel refuses io_uring";
    }
    weft::run({.seats = 1, .reactor = reactor, .watchdog = {.enabled = false}}, std::move(f));
  }
  [[nodiscard]] static waiter kind() { return std::get<1>(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(on, fairness,
                         ::testing::Combine(::testing::Values(reactor_kind::epoll, reactor_kind::io_uring),
                                            ::testing::Values(waiter::virtual_thread, waiter::coroutine)),
                         [](const auto& each) {
                           return name_of({std::get<0>(each.param), 1}) + "_" +
                                  std::string{to_string(std::get<1>(each.param))};
                         });

[[nodiscard]] std::uint64_t resumptions() { return runtime::current()->statistics().resumed; }

TEST_P(fairness, a_receiver_whose_socket_always_has_bytes_lets_others_run) {
  run([] {
    auto ends = connected_pair();
    constexpr std::size_t bytes = 4096;
    const std::string flood(bytes, 'x');
    ASSERT_TRUE(ends.client.send_all(bytes_of(flood)));
    std::size_t received = 0, most = 0;
    auto receive_all = [](tcp_stream& from, std::size_t& count) -> task<> {
      std::array<std::byte, 1> one;
      for (; count != bytes; ++count) EXPECT_EQ(co_await from.async_recv(one), std::size_t{1});
    };
    auto busy = kind() == waiter::coroutine ? spawn(receive_all(ends.server, received))
                                            : spawn([&] { await(receive_all(ends.server, received)); });
    auto other = spawn([&] {
      while (received != bytes) {
        auto before = received;
        yield();
        most = std::max(most, received - before);
      }
    });
    busy.join();
    other.join();
    EXPECT_LE(most, detail::operations_a_turn);
    EXPECT_GE(most, 1u);
  });
}

TEST_P(fairness, a_receiver_is_woken_while_the_seat_is_busy) {
  run([] {
    constexpr std::uint64_t crowd = 30;
    bool enough = false;
    scope busy;
    for (std::uint64_t i = 0; i < crowd; ++i) {
      busy.spawn([&] {
        while (!enough) yield();
      });
    }
    auto ends = connected_pair();
    for (int i = 0; i < 20; ++i) {
      std::array<std::byte, 8> buffer;
      auto receiving = start(kind(), ends.server.async_recv(buffer));
      run_until_parked(receiving);
      // It is there for the receiver when this returns: the loopback interface delivers at once.
      ASSERT_TRUE(ends.client.send_all(bytes_of("x")));
      auto sent = resumptions();
      EXPECT_EQ(receiving.join(), std::size_t{1});
      // The look, the crowd before the receiver, the receiver, and this task behind the crowd once more.
      EXPECT_LE(resumptions() - sent, driver_interval + 2 * (crowd + 1));
    }
    enough = true;
  });
}

}  // namespace
}  // namespace weft
