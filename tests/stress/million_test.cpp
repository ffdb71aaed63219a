// A million messages between 100 senders and 100 receivers, virtual threads, coroutines and plain OS threads, over a
// channel that is closed and followed by another again and again, while senders and receivers are cancelled and time
// out: each message is received once, or handed back to who sent it, or left in the channel that was closed.
// WEFT_STRESS_SECONDS makes it go on for that long (`make stress` sets it); without, it ends after a million, or five
// seconds. WEFT_TEST_SEED repeats a run's choices.

#include "tests/support/task_fixture.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <weft/base/random.hpp>
#include <weft/combine/select.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/combine/with_stop_token.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/stop_token.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;

std::uint32_t number_from(const char* variable, std::uint32_t otherwise) {
  const auto* given = std::getenv(variable);
  return given ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)) : otherwise;
}

constexpr int senders = 100, receivers = 100, messages_a_round = 100'000, messages = 1'000'000;
constexpr int each = messages_a_round / senders;

/// What may become of a message: one of these, once.
enum class fate : std::uint8_t { received, handed_back, left_behind };
constexpr std::size_t fates = 3;

/// How a round ends.
enum class ending : std::uint8_t {
  when_all_is_sent,
  while_messages_are_under_way,
  without_receivers,  ///< they are stopped first, so that messages are left behind
};
constexpr std::uint32_t endings = 3;

/// One channel's life: messages that are numbered, and what became of each.
class round_of_messages {
 public:
  round_of_messages(std::size_t capacity, std::uint32_t seed)
      : values_{capacity}, seen_(messages_a_round), random_{seed}, seed_{seed} {}

  void run() {
    scope taking, giving;
    std::vector<std::thread> threads;
    start_receivers(taking, threads);
    start_senders(giving, threads);
    cancel_some();
    finish(static_cast<ending>(random_.below(endings)), taking, giving);
    blocking([&] {
      for (auto& one : threads) one.join();
    });
    for (auto& one : to_cancel_) one.join();
    taking.join();
    giving.join();
    while (auto left = values_.try_recv()) count(*left, fate::left_behind);
  }

  /// How many messages had which fate. Fails where one had another number of fates than one.
  [[nodiscard]] std::array<int, fates> check() const {
    std::array<int, fates> sums{};
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      int times = 0;
      for (std::size_t k = 0; k < fates; ++k) {
        // relaxed: all have ended
        const auto count = seen_[i][k].load(std::memory_order_relaxed);
        sums[k] += count;
        times += count;
      }
      EXPECT_EQ(times, 1) << "message " << i;
      if (times != 1) break;
    }
    return sums;
  }

 private:
  // ---- senders

  void send_all(int sender, std::stop_token stop) {
    base::random random{seed_ + static_cast<std::uint32_t>(sender)};
    for (int i = sender * each; i < (sender + 1) * each; ++i) {
      switch (random.below(16)) {
        case 0: note(i, values_.send_for(i, some_time(random))); break;
        case 1: note(i, values_.try_send(i)); break;
        case 2: {
          auto sending = values_.async_send(i);
          auto chosen = select(sending, async_sleep(some_time(random)));
          if (!chosen || chosen->index() != 0) {
            count(sending.value(), fate::handed_back);
          } else {
            note(i, std::get<0>(*chosen));
          }
          break;
        }
        case 3: note(i, await(with_stop_token(values_.async_send(i), stop))); break;
        case 4: {
          std::vector<int> one{i};
          auto outcome = values_.send_many(one);
          if (!outcome && outcome.error().sent == 0) count(i, fate::handed_back);
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
        note(i, co_await with_timeout(values_.async_send(i), some_time(random)));
      } else {
        note(i, co_await values_.async_send(i));
      }
    }
  }

  // ---- receivers

  [[nodiscard]] bool goes_on() const noexcept {
    // relaxed: some time is soon enough
    return !cancelled() && !stopped_.load(std::memory_order_relaxed);
  }

  /// Until the channel is closed and empty, or the task is cancelled, or told to stop.
  void receive_all(int receiver, std::stop_token stop) {
    base::random random{seed_ + 1000 + static_cast<std::uint32_t>(receiver)};
    std::vector<int> many;
    while (goes_on()) {
      std::error_code why;
      switch (random.below(16)) {
        case 0: {
          many.clear();
          if (auto received = values_.recv_many(many, 8); !received) why = received.error();
          for (int value : many) count(value, fate::received);
          break;
        }
        case 1: why = note_received(values_.recv_for(some_time(random))); break;
        case 2: {
          auto chosen = select(values_.async_recv(), async_sleep(some_time(random)));
          if (chosen && chosen->index() == 0) why = note_received(std::get<0>(*chosen));
          break;
        }
        case 3: why = note_received(await(with_stop_token(values_.async_recv(), stop))); break;
        default: why = note_received(values_.recv());
      }
      if (why == errc::closed) return;
    }
  }
  task<> receive_all_in_coroutine(int receiver) {
    base::random random{seed_ + 1000 + static_cast<std::uint32_t>(receiver)};
    while (goes_on()) {
      if (random.below(16) == 0) {
        if (note_received(co_await with_timeout(values_.async_recv(), some_time(random))) == errc::closed) co_return;
      } else if (note_received(co_await values_.async_recv()) == errc::closed) {
        co_return;
      }
    }
  }

  // ---- the round: of each side 4 OS threads, 16 tasks that are cancelled on the way, and others

  void start_receivers(scope& taking, std::vector<std::thread>& threads) {
    for (int i = 0; i < receivers; ++i) {
      if (i < 4) {
        threads.emplace_back([this, i] { receive_all(i, foreign_.get_token()); });
      } else if (i < 20 && i % 2 == 0) {
        to_cancel_.push_back(spawn([this, i] { receive_all(i, foreign_.get_token()); }));
      } else if (i < 20) {
        to_cancel_.push_back(spawn([this, i] { return receive_all_in_coroutine(i); }));
      } else if (i % 2 == 0) {
        taking.spawn([this, i] { receive_all(i, foreign_.get_token()); });
      } else {
        taking.spawn([this, i] { return receive_all_in_coroutine(i); });
      }
    }
  }
  void start_senders(scope& giving, std::vector<std::thread>& threads) {
    for (int i = 0; i < senders; ++i) {
      if (i < 4) {
        threads.emplace_back([this, i] { send_all(i, foreign_.get_token()); });
      } else if (i < 20 && i % 2 == 0) {
        to_cancel_.push_back(spawn([this, i] { send_all(i, foreign_.get_token()); }));
      } else if (i < 20) {
        to_cancel_.push_back(spawn([this, i] { return send_all_in_coroutine(i); }));
      } else if (i % 2 == 0) {
        giving.spawn([this, i] {
          deadline_scope until{some_rounds_time(i)};
          send_all(i, foreign_.get_token());
        });
      } else {
        giving.spawn([this, i] { return send_all_in_coroutine(i); });
      }
    }
  }
  void cancel_some() {
    std::shuffle(to_cancel_.begin(), to_cancel_.end(), std::minstd_rand{seed_});
    // At once, while most of the messages are yet to be sent, or over the time that sending them takes.
    constexpr std::uint32_t pauses[]{1, 30'000, 200'000};
    const auto pause = pauses[random_.below(3)];
    for (auto& one : to_cancel_) {
      if (pause == 1) {
        yield();
      } else {
        static_cast<void>(sleep(duration{random_.below(pause)}));
      }
      one.cancel();
    }
    foreign_.request_stop();
  }
  void finish(ending how, scope& taking, scope& giving) {
    switch (how) {
      case ending::when_all_is_sent: giving.join(); break;
      case ending::while_messages_are_under_way: break;
      case ending::without_receivers:
        // relaxed: some time is soon enough
        stopped_.store(true, std::memory_order_relaxed);
        taking.cancel();
        static_cast<void>(sleep(some_time(random_)));  // in which the channel fills
        break;
    }
    values_.close();
  }

  [[nodiscard]] static duration some_time(base::random& random) { return duration{random.below(20'000)}; }
  /// Of a few senders the deadline passes on the way.
  [[nodiscard]] static duration some_rounds_time(int sender) { return sender % 10 == 0 ? duration{2ms} : 1h; }

  void note(int value, const send_result<int>& outcome) {
    if (outcome) return;
    EXPECT_EQ(outcome.error().value, value);
    count(value, fate::handed_back);
  }
  std::error_code note_received(const result<int>& value) {
    if (!value) return value.error();
    count(*value, fate::received);
    return {};
  }
  void count(int value, fate what) {
    // relaxed: looked at when all have ended
    seen_[static_cast<std::size_t>(value)][static_cast<std::size_t>(what)].fetch_add(1, std::memory_order_relaxed);
  }

  channel<int> values_;
  std::vector<std::array<std::atomic<std::uint8_t>, fates>> seen_;
  std::vector<join_handle<void>> to_cancel_;
  std::stop_source foreign_;
  std::atomic<bool> stopped_{false};
  base::random random_;
  std::uint32_t seed_;
};

TEST(a_million_messages, are_each_received_once_or_handed_back_or_left_behind) {
  auto seed = number_from("WEFT_TEST_SEED", std::random_device{}());
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(seed));
  const auto limit = std::chrono::seconds{number_from("WEFT_STRESS_SECONDS", 5)};
  const bool as_long_as_that = std::getenv("WEFT_STRESS_SECONDS") != nullptr;
  const auto end = std::chrono::steady_clock::now() + limit;
  base::random random{seed};
  std::array<long, fates> sums{};
  long sent = 0;
  do {
    runtime home{{.seats = 1 + random.below(3)}};
    constexpr std::size_t capacities[]{0, 1, 128, unbounded};
    round_of_messages all{capacities[random.below(4)], static_cast<std::uint32_t>(random.next())};
    run_in(home, {.name = "test"}, [&] { all.run(); });
    home.shut_down();
    const auto of_round = all.check();
    for (std::size_t k = 0; k < fates; ++k) sums[k] += of_round[k];
    sent += messages_a_round;
    if (HasFailure()) return;
  } while ((as_long_as_that || sent < messages) && std::chrono::steady_clock::now() < end);
  EXPECT_EQ(std::reduce(sums.begin(), sums.end()), sent);
  std::printf("%ld messages in %ld rounds: %ld received, %ld handed back, %ld left behind\n", sent,
              sent / messages_a_round, sums[0], sums[1], sums[2]);
}

}  // namespace
}  // namespace weft
