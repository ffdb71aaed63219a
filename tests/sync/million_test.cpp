// A million messages between 100 senders and 100 receivers, virtual threads, coroutines and plain OS threads, over a
// channel that is closed and followed by another again and again, while waits are cancelled and time out: each message
// is received once or handed back. WEFT_STRESS_SECONDS makes it go on for that long (`make stress` sets it); without,
// it ends after a million, or five seconds. WEFT_TEST_SEED repeats a run's choices.

#include "task/task_fixture.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <weft/base/random.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/select.hpp>
#include <weft/task/offload.hpp>
#include <weft/task/task.hpp>
#include <weft/task/with_deadline.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;

std::uint32_t number_from(const char* variable, std::uint32_t otherwise) {
  const auto* given = std::getenv(variable);
  return given ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)) : otherwise;
}

constexpr int senders = 100, receivers = 100, messages_a_round = 100'000, messages = 1'000'000;
constexpr int each = messages_a_round / senders;

/// One channel's life: messages that are numbered, and how often each turned up.
class round_of_messages {
 public:
  round_of_messages(std::size_t capacity, std::uint32_t seed)
      : values_{capacity}, seen_(messages_a_round), seed_{seed} {}

  void send_all(int sender) {
    base::random random{seed_ + static_cast<std::uint32_t>(sender)};
    for (int i = sender * each; i < (sender + 1) * each; ++i) {
      switch (random.below(16)) {
        case 0: note(i, values_.send_for(i, duration{random.below(20'000)})); break;
        case 1: note(i, values_.try_send(i)); break;
        case 2: {
          auto sending = values_.async_send(i);
          auto chosen = select(sending, async_sleep(duration{random.below(20'000)}));
          if (!chosen || chosen->index() != 0) {
            count(sending.value());
          } else {
            note(i, std::get<0>(*chosen));
          }
          break;
        }
        default: note(i, values_.send(i));
      }
    }
  }
  task<> send_all_in_coroutine(int sender) {
    base::random random{seed_ + static_cast<std::uint32_t>(sender)};
    for (int i = sender * each; i < (sender + 1) * each; ++i) {
      if (random.below(16) == 0) {
        note(i, co_await with_timeout(values_.async_send(i), duration{random.below(20'000)}));
      } else {
        note(i, co_await values_.async_send(i));
      }
    }
  }

  /// Until the channel is closed and empty, or the task is cancelled.
  void receive_all(int receiver) {
    base::random random{seed_ + 1000 + static_cast<std::uint32_t>(receiver)};
    std::vector<int> many;
    while (!cancelled()) {
      std::error_code why;
      if (auto kind = random.below(16); kind == 0) {
        many.clear();
        if (auto received = values_.recv_many(many, 8); !received) why = received.error();
        for (int value : many) count(value);
      } else {
        auto value = kind == 1 ? values_.recv_for(duration{random.below(20'000)}) : values_.recv();
        if (value) {
          count(*value);
        } else {
          why = value.error();
        }
      }
      if (why == errc::closed) return;
    }
  }
  task<> receive_all_in_coroutine() {
    while (auto value = co_await values_.async_recv()) count(*value);
  }

  void run() {
    std::vector<std::thread> threads;
    {
      scope closing, taking;
      std::vector<join_handle<void>> cancelled_ones;
      for (int i = 0; i < receivers; ++i) {
        if (i < 4) {
          threads.emplace_back([this, i] { receive_all(i); });
        } else if (i < 20) {
          cancelled_ones.push_back(spawn([this, i] { receive_all(i); }));
        } else if (i % 2 == 0) {
          taking.spawn([this, i] { receive_all(i); });
        } else {
          taking.spawn([this] { return receive_all_in_coroutine(); });
        }
      }
      scope giving;
      for (int i = 0; i < senders; ++i) {
        if (i < 4) {
          threads.emplace_back([this, i] { send_all(i); });
        } else if (i % 2 == 0) {
          giving.spawn([this, i] { send_all(i); });
        } else {
          giving.spawn([this, i] { return send_all_in_coroutine(i); });
        }
      }
      base::random random{seed_};
      for (auto& one : cancelled_ones) {
        static_cast<void>(sleep(duration{random.below(200'000)}));
        one.cancel();
      }
      for (auto& one : cancelled_ones) one.join();
      // Every other round is closed while messages are under way.
      if (random.below(2) == 0) giving.join();
      values_.close();
    }
    blocking([&] {
      for (auto& one : threads) one.join();
    });
    while (auto left = values_.try_recv()) count(*left);
  }

  void check() {
    for (int i = 0; i < messages_a_round; ++i) ASSERT_EQ(seen_[static_cast<std::size_t>(i)], 1) << "message " << i;
  }

 private:
  void note(int value, const send_result<int>& outcome) {
    if (outcome) return;
    EXPECT_EQ(outcome.error().value, value);
    count(value);
  }
  void count(int value) {
    // relaxed: looked at when all have ended
    seen_[static_cast<std::size_t>(value)].fetch_add(1, std::memory_order_relaxed);
  }

  channel<int> values_;
  std::vector<std::atomic<int>> seen_;
  std::uint32_t seed_;
};

TEST(a_million_messages, are_each_received_once_or_handed_back) {
  auto seed = number_from("WEFT_TEST_SEED", std::random_device{}());
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(seed));
  const auto limit = std::chrono::seconds{number_from("WEFT_STRESS_SECONDS", 5)};
  const bool as_long_as_that = std::getenv("WEFT_STRESS_SECONDS") != nullptr;
  const auto end = std::chrono::steady_clock::now() + limit;
  base::random random{seed};
  int sent = 0;
  do {
    runtime home{{.seats = 1 + random.below(3)}};
    constexpr std::size_t capacities[]{0, 1, 128, unbounded};
    round_of_messages all{capacities[random.below(4)], static_cast<std::uint32_t>(random.next())};
    run_in(home, {.name = "test"}, [&] { all.run(); });
    home.shut_down();
    all.check();
    if (HasFatalFailure()) return;
    sent += messages_a_round;
  } while ((as_long_as_that || sent < messages) && std::chrono::steady_clock::now() < end);
  RecordProperty("messages", sent);
}

}  // namespace
}  // namespace weft
