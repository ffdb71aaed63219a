#include "tests/support/sync_fixture.hpp"

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <weft/base/random.hpp>
#include <weft/combine/select.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/deadline_scope.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;

/// WEFT_TEST_SEED, to run again what failed; otherwise a fresh one.
std::uint32_t stress_seed() {
  if (const auto* given = std::getenv("WEFT_TEST_SEED")) {
    return static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10));
  }
  return std::random_device{}();
}

class stress : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(stress);

/// Values that are numbered, each of which must be received once or handed back, over a channel that is closed while
/// some of its users are cancelled, time out, or choose between several operations.
class numbered_values {
 public:
  numbered_values(std::size_t capacity, int senders, int each)
      : values_{capacity}, seen_(static_cast<std::size_t>(senders * each)), each_{each} {}

  /// Sends the values of one sender, and stops when the channel is closed or the task is cancelled.
  void send_all(int sender, std::uint32_t seed) {
    base::random random{seed};
    for (int i = sender * each_; i < (sender + 1) * each_; ++i) {
      deadline_scope limit{random.below(4) == 0 ? duration{1us} : duration{1h}};
      if (random.below(4) == 0) {
        auto sending = values_.async_send(i);
        auto chosen = select(sending, never_.async_recv(), async_sleep(duration{random.below(3000)}));
        count(!chosen || chosen->index() != 0 ? sending.value() : sent(i, std::get<0>(*chosen)));
      } else {
        count(sent(i, values_.send(i)));
      }
      if (random.below(8) == 0) yield();
    }
  }
  task<> send_all_as_coroutine(int sender) {
    for (int i = sender * each_; i < (sender + 1) * each_; ++i) count(sent(i, co_await values_.async_send(i)));
  }

  /// Receives until the channel is closed, or the task is cancelled.
  void receive_all(std::uint32_t seed) {
    base::random random{seed};
    while (!cancelled()) {
      deadline_scope limit{random.below(4) == 0 ? duration{1us} : duration{1h}};
      auto received = random.below(3) == 0 ? receive_by_select(random) : values_.recv();
      if (received) count(*received);
      if (!received && received.error() == errc::closed) return;
    }
  }
  task<> receive_all_as_coroutine() {
    while (auto value = co_await values_.async_recv()) count(*value);
  }

  void close() { values_.close(); }

  /// What nobody received is in the channel.
  void check() {
    while (auto left = values_.try_recv()) count(*left);
    for (std::size_t i = 0; i < seen_.size(); ++i) ASSERT_EQ(seen_[i].load(), 1) << "value " << i;
  }

 private:
  static constexpr int no_value = -1;

  result<int> receive_by_select(base::random& random) {
    auto chosen = select(values_.async_recv(), never_.async_recv(), async_sleep(duration{random.below(3000)}));
    if (!chosen) return std::unexpected{chosen.error()};
    if (chosen->index() != 0) return failure(errc::timed_out);
    return std::get<0>(*chosen);
  }
  /// The value that came back, or no_value.
  static int sent(int value, const send_result<int>& outcome) {
    if (outcome) return no_value;
    EXPECT_EQ(outcome.error().value, value);
    return value;
  }
  void count(int value) {
    if (value != no_value) seen_[static_cast<std::size_t>(value)].fetch_add(1);
  }

  channel<int> values_;
  channel<int> never_{0};
  std::vector<std::atomic<int>> seen_;
  int each_;
};

TEST_P(stress, every_value_is_received_once_or_handed_back) {
  auto seed = stress_seed();
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(seed));
  for (std::size_t capacity : {std::size_t{0}, std::size_t{3}, unbounded}) {
    run([seed, capacity] {
      constexpr int senders = 12, receivers = 12, each = 100;
      numbered_values all{capacity, 2 * senders, each};
      std::thread outsider{[&] { all.receive_all(seed); }};
      {
        scope closing;
        scope users;
        std::vector<join_handle<void>> cancelled_ones;
        for (int i = 0; i < senders; ++i) {
          auto own_seed = seed + static_cast<unsigned>(i);
          users.spawn([&, i, own_seed] { all.send_all(i, own_seed); });
          users.spawn([&, i] { return all.send_all_as_coroutine(senders + i); });
        }
        for (int i = 0; i < receivers; ++i) {
          auto own_seed = seed + 100 + static_cast<unsigned>(i);
          users.spawn([&, own_seed] { all.receive_all(own_seed); });
          users.spawn([&] { return all.receive_all_as_coroutine(); });
          cancelled_ones.push_back(spawn([&, own_seed] { all.receive_all(own_seed); }));
          cancelled_ones.push_back(spawn([&] { return all.receive_all_as_coroutine(); }));
        }
        base::random random{seed};
        for (auto& each_one : cancelled_ones) {
          for (auto i = random.below(4); i != 0; --i) static_cast<void>(sleep(1us));
          each_one.cancel();
        }
        closing.spawn([&, pause = random.below(400)] {
          static_cast<void>(sleep(std::chrono::microseconds{pause}));
          all.close();
        });
      }
      blocking([&] { outsider.join(); });
      all.check();
    });
  }
}

TEST_P(stress, a_mutex_never_has_two_holders_and_is_free_in_the_end) {
  auto seed = stress_seed();
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(seed));
  run([seed] {
    mutex guard;
    long inside = 0, sections = 0;
    std::atomic<long> entered{0};
    auto section = [&] {
      EXPECT_EQ(++inside, 1);
      ++sections;
      ++entered;
    };
    auto work = [&](std::uint32_t own_seed) {
      base::random random{own_seed};
      for (int i = 0; i < 300 && !cancelled(); ++i) {
        deadline_scope limit{random.below(3) == 0 ? duration{1us} : duration{1h}};
        if (random.below(3) == 0) {
          auto chosen = select(guard.async_lock(), async_sleep(duration{random.below(3000)}));
          if (!chosen || chosen->index() != 0) continue;
        } else if (!await(guard.async_lock())) {
          continue;
        }
        section();
        if (random.below(4) == 0) yield();
        --inside;
        guard.unlock();
      }
    };
    std::thread outsider{[&] {
      for (int i = 0; i < 300; ++i) {
        std::scoped_lock lock{guard};
        section();
        --inside;
      }
    }};
    {
      scope all;
      std::vector<join_handle<void>> cancelled_ones;
      for (unsigned i = 0; i < 12; ++i) {
        all.spawn([&, i] { work(seed + i); });
        all.spawn([&]() -> task<> {
          for (int round = 0; round < 300; ++round) {
            if (!co_await guard.async_lock()) continue;
            section();
            if (round % 8 == 0) co_await async_yield();
            --inside;
            guard.unlock();
          }
        });
        cancelled_ones.push_back(spawn([&, i] { work(seed + 50 + i); }));
      }
      base::random random{seed};
      for (auto& each : cancelled_ones) {
        for (auto i = random.below(20); i != 0; --i) yield();
        each.cancel();
      }
    }
    blocking([&] { outsider.join(); });
    EXPECT_EQ(sections, entered.load());
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
  });
}

}  // namespace
}  // namespace weft
