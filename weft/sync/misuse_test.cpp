// What ends the program when weft is misused says so in one form: the object and its address, what to do instead, the
// task and where it was spawned, and the calls that led there. Whether an operation can be awaited again.

#include "tests/support/task_fixture.hpp"

#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weft/combine/race.hpp>
#include <weft/combine/select.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/sync/barrier.hpp>
#include <weft/sync/broadcast.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/sync/strand.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;

/// The report of a misuse by a task that was spawned here with the name "culprit".
std::string report(const std::string& object, const std::string& advice) {
  return "weft: check failed: .*\n  at .*:[0-9]+ in .*\n  the " + object + " 0x[0-9a-f]+: " + advice +
         ".*\n  by the task \"culprit\", spawned at .*misuse_test.cpp:[0-9]+.*\n  0x[0-9a-f]+ ";
}

/// Has a task do it, which is to end the program with that report.
template <class F>
void expect_end(F misuse, const std::string& object, const std::string& advice) {
  EXPECT_DEATH(testing::run_on_virtual_clock(1, [&] { spawn({.name = "culprit"}, misuse).join(); }),
               report(object, advice));
}

/// Destroys `target` while a task waits as `wait(*target)` does.
template <class T, class F>
auto destroy_while_waited_for(std::unique_ptr<T> target, F wait) {
  return [target = std::move(target), wait]() mutable {
    auto waiter = spawn([&] { static_cast<void>(wait(*target)); });
    run_until_parked(waiter);
    target.reset();
  };
}

TEST(misuse, of_a_mutex_names_it_the_task_and_the_place) {
  mutex free;
  expect_end([&] { free.unlock(); }, "mutex", "unlock a mutex only while you hold it: nobody holds it");
  expect_end(
      [] {
        mutex held;
        spawn([&] { held.lock(); }).join();
        held.unlock();
      },
      "mutex", "unlock a mutex only while you hold it: another task does");
  expect_end(
      [] {
        mutex held;
        held.lock();
        held.lock();
      },
      "mutex", "a mutex is not recursive: this task holds it already");
  expect_end(
      [] {
        mutex held;
        held.lock();
      },
      "mutex", "unlock a mutex before it is destroyed");
  shared_mutex shared;
  expect_end([&] { shared.unlock(); }, "shared_mutex", "unlock a shared_mutex only while you hold it");
}

TEST(misuse, of_an_object_that_is_destroyed_while_somebody_waits_names_it_the_task_and_the_place) {
  testing::run_on_virtual_clock(1, [] {});  // the fixture itself is in order
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               auto misuse =
                                                   destroy_while_waited_for(std::make_unique<channel<int>>(0u),
                                                                            [](auto& each) { return each.recv(); });
                                               spawn({.name = "culprit"}, std::move(misuse)).join();
                                             }),
               report("channel", "a channel is destroyed only when nobody waits on it"));
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               auto misuse =
                                                   destroy_while_waited_for(std::make_unique<semaphore>(0u),
                                                                            [](auto& each) { return each.acquire(); });
                                               spawn({.name = "culprit"}, std::move(misuse)).join();
                                             }),
               report("semaphore", "a semaphore is destroyed when nobody waits for it"));
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               auto misuse = destroy_while_waited_for(
                                                   std::make_unique<event>(), [](auto& each) { return each.wait(); });
                                               spawn({.name = "culprit"}, std::move(misuse)).join();
                                             }),
               report("event", "an event is destroyed when nobody waits for it"));
}

// Not misuse: the scope's end is the end of its children, whoever waits for it.
TEST(misuse, is_not_that_a_scope_is_destroyed_while_somebody_waits_for_it) {
  testing::run_on_virtual_clock(1, [] {
    event go;
    join_handle<result<void>> other;
    {
      scope children;
      children.spawn([&] { EXPECT_TRUE(go.wait()); });
      other = spawn([&] { return await(children.async_join()); });
      run_until_parked(other);
      go.set();
    }
    EXPECT_TRUE(other.join());
  });
}

TEST(misuse, of_a_task_that_joins_itself_names_it) {
  join_handle<void> self;
  expect_end(
      [] {
        event go;
        join_handle<void> handle;
        handle = spawn({.name = "culprit"}, [&] {
          EXPECT_TRUE(go.wait());
          handle.join();
        });
        go.set();
        EXPECT_TRUE(sleep(1h));
      },
      "task", "a task that joins itself would wait for ever");
  expect_end(
      [] {
        scope children;
        children.spawn({.name = "culprit"}, [&] { children.join(); });
      },
      "scope", "a child that joins its scope would wait for itself");
}

// ---- awaiting one operation twice

template <class Op>
concept awaited_where_it_stands = requires(Op& op) { await(op); };
template <class Op>
concept co_awaited_where_it_stands = requires(Op& op) { operator co_await(op); };

// What has something to hand over is given away to await(); a coroutine's frame keeps it, and it can be awaited by
// name.
using send = channel<std::string>::send_operation;
static_assert(!awaited_where_it_stands<send> && co_awaited_where_it_stands<send>);
static_assert(!awaited_where_it_stands<task<int>>);
static_assert(co_awaited_where_it_stands<channel<int>::recv_operation>);
static_assert(co_awaited_where_it_stands<mutex::lock_operation>);
static_assert(!std::copy_constructible<send>);

constexpr auto once = "an operation of it is carried out once: make another one to wait again";

TEST(operations_with_something_to_hand_over, are_carried_out_once) {
  expect_end(
      [] {
        channel<std::string> words{4};
        auto sending = words.async_send("word");
        EXPECT_TRUE(await(std::move(sending)));
        EXPECT_TRUE(await(std::move(sending)));
      },
      "channel", once);
  expect_end(
      [] {
        channel<std::string> words{4};
        spawn({.name = "culprit"}, [&]() -> task<> {
          auto sending = words.async_send("word");
          EXPECT_TRUE(co_await sending);
          EXPECT_TRUE(co_await sending);
        }).join();
      },
      "channel", once);
  expect_end(
      [] {
        channel<std::string> words{4};
        spawn({.name = "culprit"}, [&]() -> task<> {
          auto sending = words.async_send("word");
          EXPECT_TRUE(co_await std::move(sending));
          EXPECT_TRUE(co_await std::move(sending));
        }).join();
      },
      "channel", once);
  expect_end(
      [] {
        channel<std::string> words{4};
        auto sending = words.async_send("word");
        EXPECT_TRUE(select(sending, async_sleep(1h)));
        EXPECT_TRUE(select(sending, async_sleep(1h)));
      },
      "channel", once);
  expect_end(
      [] {
        channel<std::string> words{4};
        std::vector<std::string> some{"one", "two"};
        auto sending = words.async_send_many(some);
        EXPECT_TRUE(await(std::move(sending)));
        EXPECT_TRUE(await(std::move(sending)));
      },
      "channel", once);
  expect_end(
      [] {
        auto calling = async_blocking([] { return 1; });
        EXPECT_EQ(await(std::move(calling)), 1);
        EXPECT_EQ(await(std::move(calling)), 1);
      },
      "blocking call", once);
  expect_end(
      [] {
        strand<int> number{1};
        auto running = number.async_run([](int value) { return value; });
        EXPECT_EQ(await(std::move(running)), 1);
        EXPECT_EQ(await(std::move(running)), 1);
      },
      "strand operation", "what was moved from cannot wait");
}

TEST(operations_that_note_how_far_they_are, are_carried_out_once) {
  expect_end(
      [] {
        spawn({.name = "culprit"}, []() -> task<> {
          channel<int> numbers{2};
          EXPECT_TRUE(numbers.try_send(1));
          auto all = when_all(numbers.async_recv(), async_sleep(0s));
          static_cast<void>(co_await std::move(all));
          static_cast<void>(co_await std::move(all));
        }).join();
      },
      "when_all", once);
  expect_end(
      [] {
        auto both = race(async_sleep(0s), async_sleep(1s));
        EXPECT_TRUE(await(std::move(both)));
        EXPECT_TRUE(await(std::move(both)));
      },
      "race", once);
}

TEST(operations_in_use, are_one_case_and_wait_for_one_at_a_time) {
  expect_end(
      [] {
        channel<int> numbers{0};
        auto receiving = numbers.async_recv();
        static_cast<void>(select(receiving, receiving));
      },
      "select", "one operation is one case: make another one");
  expect_end(
      [] {
        channel<int> numbers{0};
        auto receiving = numbers.async_recv();
        auto first = spawn([&] { static_cast<void>(select(receiving, async_sleep(1h))); });
        run_until_parked(first);
        static_cast<void>(select(receiving, async_sleep(1h)));
      },
      "channel", "an operation of it waits already, for somebody else");
}

TEST(a_coroutine, is_awaited_or_spawned_once) {
  expect_end(
      [] {
        auto lazy = []() -> task<int> { co_return 1; }();
        EXPECT_EQ(await(std::move(lazy)), 1);
        static_cast<void>(await(std::move(lazy)));
      },
      "coroutine", "a task is awaited once, and not after it was moved from");
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               auto lazy = []() -> task<int> { co_return 1; }();
                                               EXPECT_EQ(spawn(std::move(lazy)).join(), 1);
                                               static_cast<void>(spawn(std::move(lazy)).join());
                                             }),
               "a task is spawned once, and not after it was awaited or moved from");
}

TEST(operations_with_nothing_to_hand_over, are_another_wait_when_they_are_awaited_again) {
  testing::run_on_virtual_clock(1, [] {
    spawn([]() -> task<> {
      channel<int> numbers{2};
      EXPECT_TRUE(numbers.try_send(1) && numbers.try_send(2));
      auto receiving = numbers.async_recv();
      EXPECT_EQ(co_await std::move(receiving), 1);
      EXPECT_EQ(co_await std::move(receiving), 2);
      semaphore permits{2};
      auto acquiring = permits.async_acquire();
      EXPECT_TRUE(co_await std::move(acquiring));
      EXPECT_TRUE(co_await std::move(acquiring));
      EXPECT_EQ(permits.available(), 0u);
      const auto began = now();
      auto sleeping = async_sleep(1h);
      EXPECT_TRUE(co_await std::move(sleeping));
      EXPECT_TRUE(co_await std::move(sleeping)) << "a point in time, which has passed";
      EXPECT_EQ(now() - began, 1h);
      mutex guard;
      auto locking = guard.async_lock();
      for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(co_await std::move(locking));
        guard.unlock();
      }
    }).join();
    channel<int> numbers{2};
    EXPECT_TRUE(numbers.try_send(1) && numbers.try_send(2));
    auto receiving = numbers.async_recv();
    EXPECT_EQ(await(std::move(receiving)), 1);
    EXPECT_EQ(await(std::move(receiving)), 2);
  });
}

}  // namespace
}  // namespace weft
