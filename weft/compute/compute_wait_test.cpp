#include "tests/support/fib.hpp"
#include "tests/support/task_fixture.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <weft/compute/compute.hpp>
#include <weft/compute/fork_join.hpp>
#include <weft/inspect/deadlock.hpp>
#include <weft/net/tcp.hpp>
#include <weft/parallel/parallel_for.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/stack/detail/instrumentation.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/accounting_scope.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/stop_token.hpp>
#include <weft/task/task_local.hpp>

namespace weft {
namespace {

using testing::fib;

using namespace std::chrono_literals;
using testing::run_until_parked;

/// More than there are carriers anywhere here.
constexpr int many = 40;

class waits_in_compute : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(waits_in_compute);

[[gnu::noinline]] std::thread::id this_thread() {
  asm volatile("");
  return std::this_thread::get_id();
}

/// `f` in compute(), in as many tasks as that.
template <class F>
std::vector<join_handle<void>> in_many(F f) {
  std::vector<join_handle<void>> tasks;
  for (int i = 0; i < many; ++i) tasks.push_back(spawn([f, i] { compute([&] { f(i); }); }));
  return tasks;
}

void join_all(std::vector<join_handle<void>>& tasks) {
  for (auto& each : tasks) each.join();
}

TEST_P(waits_in_compute, sleeps_leave_their_carrier_to_others_and_end_at_the_same_time) {
  run([] {
    auto began = now();
    auto tasks = in_many([](int) { EXPECT_TRUE(sleep(1h)); });
    join_all(tasks);
    EXPECT_EQ(now() - began, 1h);
  });
}

TEST_P(waits_in_compute, what_was_woken_goes_on_on_a_compute_carrier) {
  run([] {
    event woken;
    std::thread::id seats, before, after;
    auto task = spawn([&] {
      compute([&] {
        before = this_thread();
        EXPECT_TRUE(woken.wait());
        after = this_thread();
      });
      seats = this_thread();
    });
    run_until_parked(task);
    woken.set();
    task.join();
    EXPECT_NE(before, seats);
    EXPECT_NE(after, seats);
  });
}

TEST_P(waits_in_compute, channels_and_mutexes_serve_more_computations_than_there_are_carriers) {
  run([] {
    channel<int> numbers{0};
    mutex lock;
    int sum = 0;
    auto receivers = in_many([&](int) {
      auto got = numbers.recv();
      std::lock_guard held{lock};
      yield();
      sum += got.value();
    });
    auto senders = in_many([&](int i) { EXPECT_TRUE(numbers.send(i)); });
    join_all(receivers);
    join_all(senders);
    EXPECT_EQ(sum, many * (many - 1) / 2);
  });
}

TEST_P(waits_in_compute, nested_computations_and_joins_and_blocking_calls_park) {
  run([] {
    auto tasks = in_many([](int i) {
      EXPECT_EQ(compute([i] { return sleep(1min) ? i : -1; }), i);
      EXPECT_EQ(await(async_compute([i] { return sleep(1min) ? i : -1; })), i);
      EXPECT_EQ(spawn([i] { return i; }).join(), i);
      EXPECT_EQ(spawn([i] { return compute([i] { return i; }); }).join(), i);
      EXPECT_EQ(blocking([i] { return i; }), i);
    });
    join_all(tasks);
  });
}

TEST_P(waits_in_compute, fork_join_and_parallel_for_park) {
  run([] {
    auto tasks = in_many([](int) {
      EXPECT_EQ(fork_join(fib, 10), 55);
      EXPECT_TRUE(sleep(1s));
      std::atomic<int> calls{0};
      parallel_for(0, 100, [&](std::size_t) { ++calls; });
      EXPECT_EQ(calls.load(), 100);
    });
    join_all(tasks);
  });
}

TEST_P(waits_in_compute, they_are_cancelled_with_the_caller_and_time_out_with_its_deadline) {
  run([] {
    auto waits = spawn([] {
      return compute([] {
        auto why = sleep(1h).error();
        EXPECT_TRUE(cancelled());
        return why;
      });
    });
    run_until_parked(waits);
    waits.cancel();
    EXPECT_EQ(waits.join(), errc::cancelled);

    deadline_scope within{1min};
    auto began = now();
    EXPECT_EQ(compute([] { return sleep(1h).error(); }), errc::timed_out);
    EXPECT_EQ(now() - began, 1min);
  });
}

TEST_P(waits_in_compute, an_exception_after_a_wait_reaches_the_caller) {
  run([] {
    auto throws = [] {
      try {
        EXPECT_TRUE(sleep(1h));
        throw std::logic_error{"first"};
      } catch (const std::logic_error&) {
        EXPECT_TRUE(sleep(1h));  // in the midst of a catch block
        throw std::runtime_error{"second"};
      }
    };
    EXPECT_THROW(compute(throws), std::runtime_error);
    EXPECT_THROW(await(async_compute(throws)), std::runtime_error);
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  });
}

TEST_P(waits_in_compute, locals_and_stop_tokens_are_the_callers) {
  run([] {
    static task_local<int> number{0};
    task_local<int>::binding bound{number, 7};
    auto token = this_task_stop_token();
    EXPECT_EQ(compute([] { return number.get(); }), 7);
    EXPECT_TRUE(compute([&] { return this_task_stop_token() == token; }));
    EXPECT_EQ(await(async_compute([] { return number.get(); })), 7);
  });
}

TEST_P(waits_in_compute, they_are_accounted_as_what_they_are) {
  run([] {
    auto burn_and_sleep = [] {
      EXPECT_TRUE(sleep(1h));
      for (auto end = std::chrono::steady_clock::now() + 1ms; std::chrono::steady_clock::now() < end;) {}
    };
    auto is_right = [](const accounting& account) {
      EXPECT_GE(account.waited[static_cast<std::size_t>(wait_kind::timer)], 1h);
      EXPECT_LT(account.waited[static_cast<std::size_t>(wait_kind::compute)], 1h);
      EXPECT_GE(account.computed, 1ms);
      EXPECT_LT(account.computed, 1h);
    };
    accounting own, coroutines;
    {
      accounting_scope installed{own};
      compute(burn_and_sleep);
    }
    is_right(own);
    spawn([&]() -> task<> {
      accounting_scope installed{coroutines};
      co_await async_compute(burn_and_sleep);
    }).join();
    is_right(coroutines);
    for (const auto& site : runtime::current()->compute_sites()) EXPECT_LT(site.longest, 1h);
  });
}

TEST_P(waits_in_compute, a_coroutines_computation_is_cancelled_with_it_and_has_its_deadline) {
  run([] {
    auto waits = [] { return sleep(1h).error(); };
    auto cancelled_early = spawn([&]() -> task<std::error_code> {
      co_await async_yield();
      co_return co_await async_compute(waits);
    });
    cancelled_early.cancel();
    EXPECT_EQ(cancelled_early.join(), errc::cancelled);

    event begun;
    std::atomic<bool> stopped{false};
    auto cancelled_late = spawn([&]() -> task<std::error_code> {
      co_return co_await async_compute([&] {
        std::stop_callback notes{this_task_stop_token(), [&] { stopped = true; }};
        begun.set();
        auto why = waits();
        while (!stopped) yield();
        return why;
      });
    });
    EXPECT_TRUE(begun.wait());
    cancelled_late.cancel();
    EXPECT_EQ(cancelled_late.join(), errc::cancelled);
    EXPECT_TRUE(stopped.load());

    auto timed_out = spawn([&]() -> task<std::error_code> {
      deadline_scope within{1min};
      co_return (co_await async_try_compute(waits)).value();
    });
    EXPECT_EQ(timed_out.join(), errc::timed_out);

    auto wrapped = spawn(
        [&]() -> task<std::error_code> { co_return (co_await with_timeout(async_try_compute(waits), 1min)).value(); });
    EXPECT_EQ(wrapped.join(), errc::cancelled);
  });
}

// What is not there is ThreadSanitizer's patience for as many stacks.
TEST(waits_in_compute_of_many, a_hundred_thousand_computations_each_wait) {
  constexpr int count = stack::instrumented ? 2'000 : 100'000;
  runtime home{{.seats = 2, .compute_carriers = 2, .compute_queue = 10, .stack_bytes = 32 * 1024}};
  std::atomic<int> waiting{0}, gone_on{0};
  run_in(home, {}, [&] {
    event all_wait;
    std::vector<join_handle<void>> tasks;
    tasks.reserve(count);
    for (int i = 0; i < count; ++i) {
      tasks.push_back(spawn([&] {
        compute([&] {
          if (++waiting == count) all_wait.set();
          EXPECT_TRUE(all_wait.wait());
          ++gone_on;
        });
      }));
    }
    join_all(tasks);
  });
  EXPECT_EQ(gone_on.load(), count);
  EXPECT_EQ(home.computing().begun, static_cast<std::uint64_t>(count));
  EXPECT_EQ(home.computing().queued, 0u);
}

/// Sockets and other things that take real time.
TEST(waits_in_compute_of_sockets, more_of_them_than_carriers_wait_for_their_peers) {
  for (auto reactor : {reactor_kind::epoll, reactor_kind::io_uring}) {
    run({.seats = 2, .reactor = reactor, .compute_carriers = 2, .report = [](std::string_view) {}}, [] {
      auto listener = tcp_listener::bind("127.0.0.1:0").value();
      auto server = spawn([&] {
        scope echoes;
        for (int i = 0; i < many; ++i) {
          echoes.spawn([stream = listener.accept().value()]() mutable {
            compute([&] {
              std::array<std::byte, 4> bytes{};
              EXPECT_EQ(stream.recv(bytes).value(), bytes.size());
              EXPECT_TRUE(stream.send_all(bytes));
            });
          });
        }
        echoes.join();
      });
      std::vector<tcp_stream> clients;
      for (int i = 0; i < many; ++i) clients.push_back(tcp_stream::connect(listener.local()).value());
      // The last to come is answered first.
      for (auto client = clients.rbegin(); client != clients.rend(); ++client) {
        compute([&] {
          std::array<std::byte, 4> bytes{std::byte{1}, std::byte{2}};
          EXPECT_TRUE(client->send_all(bytes));
          EXPECT_EQ(client->recv(bytes).value(), bytes.size());
          EXPECT_EQ(bytes[1], std::byte{2});
        });
      }
      server.join();
    });
  }
}

TEST(waits_in_compute_at_shutdown, detached_computations_are_cancelled_where_they_wait) {
  std::atomic<int> cancelled_count{0};
  {
    runtime home{{.seats = 2, .compute_carriers = 2}};
    run_in(home, {}, [&] {
      std::atomic<int> begun{0};
      for (int i = 0; i < many; ++i) {
        spawn([&] {
          compute([&] {
            ++begun;
            if (sleep(1000h).error() == errc::cancelled) ++cancelled_count;
          });
        }).detach();
        spawn([&]() -> task<> {
          co_await async_compute([&] {
            ++begun;
            if (sleep(1000h).error() == errc::cancelled) ++cancelled_count;
          });
        }).detach();
      }
      while (begun != 2 * many) yield();
    });
  }
  EXPECT_EQ(cancelled_count.load(), 2 * many);
}

TEST(waits_in_compute_on_one_carrier, what_was_woken_goes_on_before_what_has_not_begun) {
  runtime home{{.seats = 1, .compute_carriers = 1}};
  run_in(home, {}, [&] {
    event woken;
    std::atomic<bool> held{false}, let_go{false};
    std::vector<int> order;
    auto first = spawn([&] {
      compute([&] {
        EXPECT_TRUE(woken.wait());
        order.push_back(1);
      });
    });
    while (home.computing().begun != 1 || !first.is_parked()) yield();
    auto holds = spawn([&] {
      compute([&] {
        held = true;
        while (!let_go) std::this_thread::yield();
      });
    });
    while (!held) yield();
    auto last = spawn([&] { compute([&] { order.push_back(2); }); });
    run_until_parked(last);
    woken.set();
    EXPECT_EQ(home.computing().ready, 1u);
    let_go = true;
    first.join();
    last.join();
    holds.join();
    EXPECT_EQ(order, (std::vector{1, 2}));
  });
}

TEST(waits_in_compute_on_one_carrier, fork_join_code_that_blocks_its_carrier_is_stood_in_for) {
  runtime home{{.seats = 1, .compute_carriers = 1}};
  run_in(home, {}, [&] {
    channel<int> numbers{0};
    for (int round = 0; round < 3; ++round) {
      auto waits = [&numbers]() -> parallel_task<int> { co_return numbers.recv().value(); };
      std::vector<join_handle<int>> blocked;
      for (int i = 0; i < 5; ++i) blocked.push_back(spawn([&] { return fork_join(waits); }));
      while (home.computing().blocked != 5) yield();
      EXPECT_EQ(compute([] { return 7; }), 7);
      for (int i = 0; i < 5; ++i) compute([&] { EXPECT_TRUE(numbers.send(1)); });
      for (auto& each : blocked) EXPECT_EQ(each.join(), 1);
      EXPECT_EQ(home.computing().blocked, 0u);
    }
    EXPECT_LE(home.computing().carriers, 6u) << "those that stood in rest until they are needed again";
  });
}

TEST(waits_in_compute_when_tracked, tasks_that_wait_for_each_other_there_are_found) {
  virtual_clock clock;
  runtime home{{.seats = 2, .tracking = {.tasks = tracking::on}}};
  run_in(home, {.name = "main"}, [&] {
    mutex left, right;
    event both;
    std::atomic<int> holders{0};
    auto cross = [&](mutex& first, mutex& second) {
      std::scoped_lock held{first};
      if (++holders == 2) both.set();
      EXPECT_TRUE(both.wait());
      if (await(second.async_lock())) second.unlock();
    };
    auto one = spawn([&] { compute([&] { cross(left, right); }); });
    auto two = spawn([&]() -> task<> { co_await async_compute([&] { cross(right, left); }); });
    while (home.find_deadlocks().empty()) yield();
    auto dump = home.dump_tasks();
    EXPECT_NE(dump.find("compute"), std::string::npos) << dump;
    one.cancel();
    one.join();
    two.join();
  });
}

TEST(waits_in_compute_when_parked, their_stacks_are_put_away_and_come_back) {
  if (auto obstacle = stack::hibernation_obstacle(); !obstacle.empty()) GTEST_SKIP() << obstacle;
  runtime home{{.seats = 1, .compute_carriers = 2, .hibernate_after = no_hibernation}};
  run_in(home, {}, [&] {
    event woken;
    auto waits = spawn([&] {
      return compute([&] {
        std::array<int, 100> numbers{};
        numbers.fill(3);
        EXPECT_TRUE(woken.wait());
        return std::ranges::count(numbers, 3);
      });
    });
    while (home.computing().begun != 1 || !waits.is_parked()) yield();
    EXPECT_GE(home.hibernate_parked(), 1u);
    woken.set();
    EXPECT_EQ(waits.join(), 100);
  });
}

// The queue's bound.

/// A pool of one carrier, which is held, and a queue.
template <class F>
void with_held_carrier(std::size_t queue, F f) {
  runtime home{{.seats = 1, .compute_carriers = 1, .compute_queue = queue}};
  run_in(home, {}, [&] {
    std::atomic<bool> begun{false}, let_go{false};
    auto holds = spawn([&] {
      compute([&] {
        begun = true;
        while (!let_go) std::this_thread::yield();
      });
    });
    while (!begun) yield();
    f(home, let_go);
    holds.join();
  });
}

TEST(compute_queue, try_compute_fails_at_the_bound_and_not_below_it) {
  with_held_carrier(3, [](runtime& home, std::atomic<bool>& let_go) {
    std::vector<join_handle<result<int>>> queued;
    for (int i = 0; i < 3; ++i) {
      queued.push_back(spawn([i] { return try_compute([i] { return i; }); }));
      run_until_parked(queued.back());
    }
    EXPECT_EQ(home.computing().queued, 3u);
    EXPECT_EQ(home.computing().refused, 0u);
    EXPECT_EQ(try_compute([] { return 3; }).error(), errc::overloaded);
    EXPECT_EQ(try_compute([] {}).error(), errc::overloaded);
    auto coroutine = spawn([]() -> task<result<int>> { co_return co_await async_try_compute([] { return 3; }); });
    EXPECT_EQ(coroutine.join().error(), errc::overloaded);
    EXPECT_EQ(home.computing().refused, 3u);
    queued[1].cancel();  // one leaves: there is room again
    EXPECT_EQ(queued[1].join().error(), errc::cancelled);
    auto again = spawn([] { return try_compute([] { return 4; }); });
    run_until_parked(again);
    let_go = true;
    EXPECT_EQ(queued[0].join().value(), 0);
    EXPECT_EQ(queued[2].join().value(), 2);
    EXPECT_EQ(again.join().value(), 4);
  });
}

TEST(compute_queue, compute_waits_behind_it_in_order) {
  with_held_carrier(1, [](runtime& home, std::atomic<bool>& let_go) {
    std::vector<int> order;
    std::vector<join_handle<void>> waiting;
    for (int i = 0; i < 5; ++i) {
      waiting.push_back(spawn([&order, i] { compute([&] { order.push_back(i); }); }));
      run_until_parked(waiting.back());
    }
    EXPECT_EQ(home.computing().queued, 5u);
    EXPECT_EQ(try_compute([] {}).error(), errc::overloaded);
    let_go = true;
    for (auto& each : waiting) each.join();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  });
}

TEST(compute_queue, of_length_zero_refuses_all_but_what_has_begun) {
  runtime home{{.seats = 1, .compute_carriers = 1, .compute_queue = 0}};
  run_in(home, {}, [&] {
    EXPECT_EQ(try_compute([] {}).error(), errc::overloaded);
    EXPECT_EQ(compute([] { return try_compute([] { return fork_join(fib, 8); }).value(); }), 21);
    EXPECT_EQ(compute([] { return await(async_try_compute([] { return 5; })).value(); }), 5);
  });
}

}  // namespace
}  // namespace weft
