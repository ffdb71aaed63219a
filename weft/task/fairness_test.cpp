#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/task.hpp>

#include "tests/support/task_fixture.hpp"

// One seat, so that what runs when depends on nothing but the scheduler: the bounds are counted in resumptions and in
// operations, and no clock has a say but where a case is about timers.

namespace weft {
namespace {

using namespace std::chrono_literals;

// What scheduler.hpp and task_base.hpp promise.
constexpr std::uint64_t longest_streak = 16;
constexpr std::uint64_t outside_interval = 61;
constexpr std::uint64_t timer_interval = 8;

[[nodiscard]] std::uint64_t resumptions() { return runtime::current()->statistics().resumed; }

enum class task_form { virtual_thread, coroutine };

/// What both kinds of task can do is one text: a coroutine, carried out as one or on a virtual thread's stack.
join_handle<void> spawn_as(task_form form, task<> body) {
  if (form == task_form::coroutine) return spawn(std::move(body));
  return spawn([body = std::move(body)]() mutable { await(std::move(body)); });
}

/// A task that never parks by itself, and one beside it that counts what the first does between two of its own turns.
class turns : public ::testing::TestWithParam<task_form> {
 protected:
  /// `operate` makes one operation, which needs no wait.
  template <class F>
  void expect_that_others_run_between(F operate) {
    testing::run_on_virtual_clock(1, [&] {
      constexpr std::uint64_t wanted = 20 * detail::operations_a_turn;
      std::uint64_t done = 0, most = 0;
      auto busy = spawn_as(GetParam(), [](auto& make_one, std::uint64_t& count) -> task<> {
        for (; count != wanted; ++count) co_await make_one();
      }(operate, done));
      auto other = spawn([&] {
        while (done != wanted) {
          auto before = done;
          yield();
          most = std::max(most, done - before);
        }
      });
      busy.join();
      other.join();
      EXPECT_LE(most, detail::operations_a_turn);
      EXPECT_GE(most, 1u);
    });
  }
};
INSTANTIATE_TEST_SUITE_P(of, turns, ::testing::Values(task_form::virtual_thread, task_form::coroutine),
                         [](const auto& each) {
                           return std::string{each.param == task_form::coroutine ? "a_coroutine" : "a_virtual_thread"};
                         });

TEST_P(turns, end_although_a_channel_always_has_values) {
  channel<int> values{unbounded};
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(values.try_send(i));
  expect_that_others_run_between([&]() -> task<> { EXPECT_TRUE(co_await values.async_recv()); });
}

TEST_P(turns, end_although_a_channel_always_has_room) {
  channel<int> values{unbounded};
  expect_that_others_run_between([&]() -> task<> { EXPECT_TRUE(co_await values.async_send(1)); });
}

TEST_P(turns, end_although_a_mutex_is_always_free) {
  mutex lock;
  expect_that_others_run_between([&]() -> task<> {
    EXPECT_TRUE(co_await lock.async_lock());
    lock.unlock();
  });
}

TEST_P(turns, end_although_a_select_always_finds_a_case_ready) {
  channel<int> values{unbounded}, empty{1};
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(values.try_send(i));
  expect_that_others_run_between(
      [&]() -> task<> { EXPECT_TRUE(co_await async_select(values.async_recv(), empty.async_recv())); });
}

TEST_P(turns, end_although_every_wait_fails_at_once_since_the_task_was_cancelled) {
  testing::run_on_virtual_clock(1, [] {
    bool enough = false;
    auto stubborn = spawn_as(GetParam(), [](bool& end) -> task<> {
      while (!end) static_cast<void>(co_await async_sleep(1h));
    }(enough));
    testing::run_until_parked(stubborn);
    stubborn.cancel();
    // It runs from here on without ever parking; this task runs all the same.
    for (int i = 0; i < 100; ++i) yield();
    enough = true;
    stubborn.join();
  });
}

/// Fails before it waits.
struct throwing {
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  static bool try_complete() { throw 7; }
  static bool arm(wait_node&) { return false; }
  static void disarm(wait_node&) {}
  static bool finish() { return true; }
  static value_type take() { return {}; }
  static value_type fail(errc condition) { return failure(condition); }
};

TEST_P(turns, of_operations_that_throw_let_them_throw) {
  testing::run_on_virtual_clock(1, [] {
    int caught = 0;
    constexpr int tries = 3 * static_cast<int>(detail::operations_a_turn);
    spawn_as(GetParam(),
             [](int& count) -> task<> {
               for (int i = 0; i < tries; ++i) {
                 try {
                   static_cast<void>(co_await throwing{});
                 } catch (int) {
                   ++count;
                 }
               }
             }(caught))
        .join();
    EXPECT_EQ(caught, tries);
  });
}

/// Who is ready all the time. One alone has nobody to let run.
struct crowd {
  const char* name;
  std::size_t virtual_threads, coroutines;
  [[nodiscard]] std::size_t size() const noexcept { return virtual_threads + coroutines; }
};

/// Each yields, again and again, until it is let go.
class yielders {
 public:
  explicit yielders(const crowd& of) {
    for (std::size_t i = 0; i < of.virtual_threads; ++i) {
      tasks_.spawn([this] {
        while (!enough_) yield();
      });
    }
    for (std::size_t i = 0; i < of.coroutines; ++i) {
      tasks_.spawn([this]() -> task<> {
        while (!enough_) co_await async_yield();
      });
    }
    for (int i = 0; i < 3; ++i) yield();  // all have begun
  }
  ~yielders() { enough_ = true; }
  yielders(const yielders&) = delete;
  yielders& operator=(const yielders&) = delete;

 private:
  bool enough_ = false;
  scope tasks_;
};

class fairness : public ::testing::TestWithParam<crowd> {};
INSTANTIATE_TEST_SUITE_P(of, fairness,
                         ::testing::Values(crowd{"a_crowd", 25, 25}, crowd{"a_virtual_thread", 1, 0},
                                           crowd{"a_coroutine", 0, 1}),
                         [](const auto& each) { return std::string{each.param.name}; });

TEST_P(fairness, a_task_waits_no_longer_than_for_those_that_were_ready_before_it) {
  testing::run_on_virtual_clock(1, [] {
    yielders busy{GetParam()};
    for (int i = 0; i < 20; ++i) {
      std::uint64_t began = resumptions(), ran = 0;
      spawn([&] { ran = resumptions(); }).join();
      // The crowd, and the probe itself.
      EXPECT_LE(ran - began, GetParam().size() + 1);
    }
  });
}

TEST(fairness_of_hand_over, a_pair_that_hands_to_each_other_lets_the_next_task_in_after_a_streak) {
  testing::run_on_virtual_clock(1, [] {
    channel<int> there{0}, back{0};
    std::uint64_t began = 0, ran = 0, rounds = 0;
    scope pair;
    pair.spawn([&] {
      for (int value : there) {
        ++rounds;
        if (!back.send(value)) return;
      }
    });
    pair.spawn([&] {
      join_handle<void> probe;
      for (int i = 0; i < 1000; ++i) {
        if (i == 100) {
          began = resumptions();
          probe = spawn([&] { ran = resumptions(); });
        }
        EXPECT_TRUE(there.send(i));
        EXPECT_TRUE(back.recv());
      }
      there.close();
      probe.join();
    });
    pair.join();
    EXPECT_EQ(rounds, 1000u);
    EXPECT_LE(ran - began, longest_streak + 1);
  });
}

/// Starts `f` as a task of the calling task's runtime the way an OS thread does: through the queue of arrivals.
template <class F>
[[nodiscard]] join_handle<void> spawn_from_outside(F f) {
  auto& home = *runtime::current();
  detail::started<void> started{};
  std::thread outside{[&] {
    started = detail::make_task(home, {}, std::source_location::current(), std::move(f));
    started.task->give_handle();
    home.schedule_last(*started.task);
  }};
  outside.join();
  return join_handle<void>{started};
}

TEST_P(fairness, what_arrives_from_outside_is_taken_in_turn_while_the_seat_is_busy) {
  testing::run_on_virtual_clock(1, [] {
    yielders busy{GetParam()};
    constexpr std::size_t arrivals = 10;
    std::vector<join_handle<void>> arrived;
    std::vector<std::uint64_t> ran(arrivals);
    // Nothing else runs meanwhile: this task has the only seat.
    auto began = resumptions();
    for (auto& each : ran) arrived.push_back(spawn_from_outside([&each] { each = resumptions(); }));
    EXPECT_EQ(resumptions(), began);
    for (auto& each : arrived) each.join();
    for (std::size_t i = 0; i < arrivals; ++i) {
      // One is taken at each look, and then waits for the crowd, this task and those that arrived before.
      EXPECT_LE(ran[i] - began, outside_interval * (i + 1) + GetParam().size() + 1 + arrivals) << i;
    }
    EXPECT_TRUE(std::ranges::is_sorted(ran));
  });
}

TEST_P(fairness, a_timer_that_is_due_is_seen_while_the_seat_is_busy) {
  // Real time, which passes while tasks run. What is counted is how often others are resumed after it is due.
  runtime home{{.seats = 1, .watchdog = {.enabled = false}}};
  run_in(home, {.name = "test"}, [] {
    yielders busy{GetParam()};
    for (int i = 0; i < 20; ++i) {
      auto due = now() + 100us;
      std::uint64_t ran = 0, seen_due = 0;
      auto sleeper = spawn([&] {
        EXPECT_TRUE(sleep_until(due));
        ran = resumptions();
      });
      while (seen_due == 0) {
        yield();
        // A tick of the timers, 1,024 ns, later it is due for them as well.
        if (now() >= due + 1024ns) seen_due = resumptions();
      }
      sleeper.join();
      // `ran` is the smaller one when the timers were looked at between that instant and this task's turn.
      EXPECT_LE(ran, seen_due + timer_interval + GetParam().size() + 1);
    }
  });
}

}  // namespace
}  // namespace weft
