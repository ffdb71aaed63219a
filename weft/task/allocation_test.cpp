// No wait allocates, however operations are combined. In a program of its own, which counts what operator new is asked
// for.

#include "tests/support/task_fixture.hpp"

#include <atomic>
#include <cstdlib>
#include <stop_token>

#include <weft/combine/race.hpp>
#include <weft/combine/shield.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/combine/when_any.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/combine/with_stop_token.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/stop_token.hpp>
#include <weft/task/task.hpp>

#include "tests/support/replaced_new.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}

void* allocate(std::size_t bytes) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);  // relaxed: a number
  return std::malloc(bytes);
}

namespace weft {
namespace {

using namespace std::chrono_literals;

constexpr int rounds = 200;

/// Each round parks four times.
template <class Wait>
void wait_in_every_way(channel<int>& left, channel<int>& right, std::stop_token token, Wait wait) {
  static_cast<void>(wait(when_any(left.async_recv(), right.async_recv())));
  static_cast<void>(wait(when_all(left.async_recv(), right.async_recv())));
  static_cast<void>(wait(with_timeout(race(left.async_recv(), right.async_recv()), 1h)));
  static_cast<void>(wait(shield(with_stop_token(left.async_recv(), std::move(token)))));
}

void feed(channel<int>& left, channel<int>& right) {
  for (auto* each : {&left, &left, &right, &left, &left}) static_cast<void>(each->send(1));
}

TEST(waits, allocate_nothing_in_virtual_threads) {
  testing::run_on_virtual_clock(1, [] {
    channel<int> left{0}, right{0};
    std::stop_source source;
    auto waiter = spawn([&] {
      for (int i = 0; i < rounds; ++i) {
        wait_in_every_way(left, right, source.get_token(), [](auto op) { return await(std::move(op)); });
      }
    });
    feed(left, right);  // what is allocated once
    const auto before = allocations.load();
    for (int i = 1; i < rounds; ++i) feed(left, right);
    EXPECT_EQ(allocations.load() - before, 0u);
    waiter.join();
  });
}

TEST(waits, allocate_nothing_in_coroutines) {
  testing::run_on_virtual_clock(1, [] {
    channel<int> left{0}, right{0};
    std::stop_source source;
    auto waiter = spawn([&]() -> task<> {
      for (int i = 0; i < rounds; ++i) {
        static_cast<void>(co_await when_any(left.async_recv(), right.async_recv()));
        static_cast<void>(co_await when_all(left.async_recv(), right.async_recv()));
        static_cast<void>(co_await with_timeout(race(left.async_recv(), right.async_recv()), 1h));
        static_cast<void>(co_await shield(with_stop_token(left.async_recv(), source.get_token())));
      }
    });
    feed(left, right);
    const auto before = allocations.load();
    for (int i = 1; i < rounds; ++i) feed(left, right);
    EXPECT_EQ(allocations.load() - before, 0u);
    waiter.join();
  });
}

}  // namespace
}  // namespace weft
