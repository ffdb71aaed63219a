#include "tests/support/task_fixture.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/inspect/deadlock.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/channel_user.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;

class tracked_tasks : public ::testing::TestWithParam<std::size_t> {
 protected:
  template <class F>
  void run(F f) {
    virtual_clock clock;
    runtime home{{.seats = GetParam(), .tracking = {.tasks = tracking::on}}};
    run_in(home, {.name = "test"}, std::move(f));
  }
};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(tracked_tasks);

[[nodiscard]] std::optional<task_snapshot> find(std::string_view name) {
  for (auto& each : runtime::current()->tasks()) {
    if (each.name == name) return each;
  }
  return std::nullopt;
}

TEST_P(tracked_tasks, are_dumped_with_what_they_wait_for_and_since_when) {
  run([] {
    channel<int> numbers{0};
    mutex guard;
    std::scoped_lock lock{guard};
    auto receiver = spawn({.name = "receiver"}, [&] { return numbers.recv(); });
    auto chooser = spawn({.name = "chooser"}, [&]() -> task<> {
      static_cast<void>(co_await async_select(numbers.async_recv(), with_timeout(guard.async_lock(), 100h)));
    });
    run_until_parked(receiver);
    run_until_parked(chooser);
    EXPECT_TRUE(sleep(2s));
    auto seen = find("receiver").value();
    EXPECT_TRUE(seen.waits);
    EXPECT_EQ(seen.kind, "virtual thread");
    ASSERT_EQ(seen.waits_for.size(), 1u);
    EXPECT_EQ(seen.waits_for[0].what, "channel");
    EXPECT_EQ(seen.waits_for[0].object, &numbers);
    EXPECT_GE(seen.waited, 2s);
    EXPECT_LT(seen.waited, 3s);
    auto coroutine = find("chooser").value();
    EXPECT_EQ(coroutine.kind, "coroutine");
    ASSERT_EQ(coroutine.waits_for.size(), 3u);
    EXPECT_EQ(coroutine.waits_for[1].object, &guard);
    EXPECT_EQ(coroutine.waits_for[2].kind, wait_kind::timer);
    EXPECT_FALSE(find("test")->waits) << "it looks";
    auto text = runtime::current()->dump_tasks();
    EXPECT_NE(text.find("\"receiver\", a virtual thread spawned at "), std::string::npos) << text;
    EXPECT_NE(text.find("has waited 2000 ms for the channel 0x"), std::string::npos) << text;
    EXPECT_TRUE(numbers.send(1));
    EXPECT_TRUE(numbers.send(1));
    EXPECT_EQ(receiver.join(), 1);
    chooser.join();
    EXPECT_FALSE(find("receiver")) << "it has ended";
  });
}

task<> innermost(event& bell) { EXPECT_TRUE(co_await bell.async_wait()); }
task<> middle(event& bell) { co_await innermost(bell); }
task<> outermost(event& bell) { co_await middle(bell); }

TEST_P(tracked_tasks, that_are_coroutines_say_who_awaits_whom_and_where) {
  run([] {
    event bell;
    auto chain = spawn({.name = "chain"}, outermost(bell));
    run_until_parked(chain);
    auto seen = find("chain").value();
    ASSERT_EQ(seen.awaits.size(), 3u);
    EXPECT_NE(std::string_view{seen.awaits[0].function_name()}.find("innermost"), std::string_view::npos)
        << seen.awaits[0].function_name();
    EXPECT_EQ(seen.awaits[1].line(), seen.awaits[0].line() + 1);
    EXPECT_EQ(seen.awaits[2].line(), seen.awaits[0].line() + 2);
    EXPECT_NE(describe_with_trace(seen).find("middle"), std::string::npos);
    bell.set();
    chain.join();
  });
}

[[gnu::noinline]] result<int> wait_in_here(channel<int>& numbers) {
  auto received = numbers.recv();
  asm volatile("" ::: "memory");  // no tail call
  return received;
}

TEST_P(tracked_tasks, that_are_virtual_threads_carry_a_trace) {
  run([] {
    channel<int> numbers{0};
    auto receiver = spawn({.name = "receiver"}, [&] { return wait_in_here(numbers); });
    run_until_parked(receiver);
    auto trace = find("receiver")->trace;
    auto begin = reinterpret_cast<const char*>(&wait_in_here);
    EXPECT_TRUE(std::ranges::any_of(trace, [&](const void* each) { return each > begin && each < begin + 512; }));
    numbers.close();
    EXPECT_EQ(receiver.join().error(), errc::closed);
  });
}

TEST_P(tracked_tasks, that_lock_in_opposite_order_are_a_deadlock_and_those_behind_them_are_not) {
  run([] {
    mutex left, right;
    event both;
    auto cross = [&](mutex& first, mutex& second) {
      std::scoped_lock one{first};
      EXPECT_TRUE(both.wait());
      auto held = await(second.async_lock());
      if (held) second.unlock();
      return held;
    };
    auto one = spawn({.name = "one"}, [&] { return cross(left, right); });
    auto two = spawn({.name = "two"}, [&]() -> task<result<void>> {
      EXPECT_TRUE(co_await right.async_lock());
      std::unique_lock held{right, std::adopt_lock};
      EXPECT_TRUE(co_await both.async_wait());
      auto also_held = co_await left.async_lock();
      if (also_held) left.unlock();
      co_return also_held;
    });
    run_until_parked(one);
    run_until_parked(two);
    EXPECT_TRUE(runtime::current()->find_deadlocks().empty()) << "they wait for the event";
    both.set();
    run_until_parked(one);
    run_until_parked(two);
    auto behind = spawn({.name = "behind"}, [&] { std::scoped_lock lock{left}; });
    run_until_parked(behind);
    auto found = runtime::current()->find_deadlocks();
    ASSERT_EQ(found.size(), 1u);
    ASSERT_EQ(found[0].tasks.size(), 2u);
    EXPECT_FALSE(found[0].everything_sleeps);
    std::vector names{found[0].tasks[0].name, found[0].tasks[1].name};
    std::ranges::sort(names);
    EXPECT_EQ(names, (std::vector<std::string>{"one", "two"}));
    auto text = describe(found[0]);
    EXPECT_NE(text.find("2 tasks wait for each other"), std::string::npos) << text;
    EXPECT_NE(text.find("for the mutex 0x"), std::string::npos) << text;
    EXPECT_TRUE(runtime::current()->find_deadlocks().empty()) << "it was found before";
    one.cancel();
    EXPECT_EQ(one.join().error(), errc::cancelled);
    EXPECT_TRUE(two.join());
    behind.join();
  });
}

TEST_P(tracked_tasks, that_wait_with_a_deadline_or_for_something_else_as_well_are_no_deadlock) {
  run([] {
    mutex left, right;
    channel<int> way_out{0};
    event both;
    auto one = spawn([&] {
      std::scoped_lock held{left};
      EXPECT_TRUE(both.wait());
      deadline_scope limit{100h};
      auto also_held = await(right.async_lock());
      if (also_held) right.unlock();
      return also_held;
    });
    auto two = spawn([&] {
      std::scoped_lock held{right};
      EXPECT_TRUE(both.wait());
      return select(left.async_lock(), way_out.async_recv())->index();
    });
    run_until_parked(one);
    run_until_parked(two);
    both.set();
    run_until_parked(one);
    run_until_parked(two);
    EXPECT_TRUE(runtime::current()->find_deadlocks().empty());
    way_out.close();
    EXPECT_EQ(two.join(), 1u);
    EXPECT_TRUE(one.join());
  });
}

TEST_P(tracked_tasks, that_lock_a_mutex_twice_or_join_each_other_are_a_deadlock) {
  run([] {
    mutex guard;
    auto twice = spawn({.name = "twice"}, [&] {
      std::scoped_lock held{guard};
      return await(guard.async_lock());
    });
    run_until_parked(twice);
    auto found = runtime::current()->find_deadlocks();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].tasks.at(0).name, "twice");
    EXPECT_NE(describe(found[0]).find("waits for itself"), std::string::npos);
    twice.cancel();
    EXPECT_EQ(twice.join().error(), errc::cancelled);

    join_handle<result<void>> first, second;
    event ready;
    first = spawn([&] {
      EXPECT_TRUE(ready.wait());
      return await(second.async_wait());
    });
    second = spawn([&]() -> task<result<void>> {
      EXPECT_TRUE(co_await ready.async_wait());
      co_return co_await first.async_wait();
    });
    ready.set();
    run_until_parked(first);
    run_until_parked(second);
    EXPECT_EQ(runtime::current()->find_deadlocks().at(0).tasks.size(), 2u);
    first.cancel();
    EXPECT_EQ(first.join().error(), errc::cancelled);
    EXPECT_TRUE(second.join());
  });
}

TEST_P(tracked_tasks, that_hold_what_the_children_they_wait_for_want_are_a_deadlock) {
  run([] {
    mutex guard;
    auto owner = spawn({.name = "owner"}, [&] {
      std::scoped_lock held{guard};
      scope children;
      for (int i = 0; i < 3; ++i) {
        children.spawn({.name = "child"}, [&] { static_cast<void>(await(guard.async_lock())); });
      }
      children.join();
    });
    run_until_parked(owner);
    while (true) {
      auto all = runtime::current()->tasks();
      auto waiting = std::ranges::count_if(all, [](auto& each) { return each.name == "child" && each.waits; });
      if (waiting == 3) break;
      yield();
    }
    auto found = runtime::current()->find_deadlocks();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].tasks.size(), 2u) << "the owner and one child";
    owner.cancel();
    owner.join();
  });
}

TEST_P(tracked_tasks, that_wait_for_users_of_channels_that_wait_for_them_are_a_deadlock) {
  run([] {
    channel<int> there{0}, back{0};
    auto first = spawn({.name = "first"}, [&] {
      channel_user sends{back, channel_side::sends};
      return there.recv();
    });
    auto second = spawn({.name = "second"}, [&]() -> task<result<int>> {
      channel_user sends{there, channel_side::sends};
      co_return co_await back.async_recv();
    });
    run_until_parked(first);
    run_until_parked(second);
    auto found = runtime::current()->find_deadlocks();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].tasks.size(), 2u);
    first.cancel();
    EXPECT_EQ(first.join().error(), errc::cancelled);
    back.close();
    EXPECT_EQ(second.join().error(), errc::closed);
  });
}

TEST_P(tracked_tasks, that_wait_for_several_channel_users_are_none_while_one_of_those_can_go_on) {
  run([] {
    channel<int> numbers{0}, never{0};
    event go;
    auto free = spawn([&] {
      channel_user sends{numbers, channel_side::sends};
      EXPECT_TRUE(go.wait());
      return numbers.send(1).has_value();
    });
    auto receiver = spawn([&] {
      channel_user sends{never, channel_side::sends};
      return numbers.recv();
    });
    auto stuck = spawn([&] {
      channel_user sends{numbers, channel_side::sends};
      return never.recv();
    });
    run_until_parked(free);
    run_until_parked(receiver);
    run_until_parked(stuck);
    EXPECT_TRUE(runtime::current()->find_deadlocks().empty());
    go.set();
    EXPECT_EQ(receiver.join(), 1);
    EXPECT_TRUE(free.join());
    stuck.cancel();
    EXPECT_FALSE(stuck.join());
  });
}

TEST(tracking_off, says_so_and_finds_nothing) {
  virtual_clock clock;
  runtime home{{.seats = 1, .tracking = {.tasks = tracking::off}}};
  run_in(home, {}, [&] {
    EXPECT_TRUE(home.tasks().empty());
    EXPECT_NE(home.dump_tasks().find("not tracked"), std::string::npos);
    EXPECT_TRUE(home.find_deadlocks().empty());
  });
}

TEST(misuse, of_a_join_by_the_task_itself_is_reported_with_its_name_and_site) {
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               join_handle<void> self;
                                               self = spawn({.name = "narcissus"}, [&] {
                                                 yield();
                                                 self.join();
                                               });
                                               EXPECT_TRUE(sleep(1s));
                                             }),
               "joins itself.*\n.*by the task \"narcissus\", spawned at .*tracking_test.cpp");
}

TEST(misuse, of_a_coroutine_awaited_twice_is_reported) {
  EXPECT_DEATH(testing::run_on_virtual_clock(1,
                                             [] {
                                               spawn([]() -> task<> {
                                                 auto once = []() -> task<> { co_return; }();
                                                 co_await std::move(once);
                                                 co_await std::move(once);
                                               }).join();
                                             }),
               "a task is awaited once");
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/// Run by the debugger that the test below starts.
TEST(debuggers, DISABLED_stop_here) {
  runtime home{{.seats = 1, .tracking = {.tasks = tracking::on}}};
  run_in(home, {.name = "test"}, [] {
    channel<int> numbers{0};
    auto receiver = spawn({.name = "seen by a debugger"}, [&] { return numbers.recv(); });
    run_until_parked(receiver);
    std::raise(SIGTRAP);
    numbers.close();
    EXPECT_FALSE(receiver.join());
  });
}

/// What a shell command writes.
[[nodiscard]] std::string output_of(const std::string& command) {
  std::string text;
  auto* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return text;
  std::array<char, 4096> some;
  while (auto count = std::fread(some.data(), 1, some.size(), pipe)) text.append(some.data(), count);
  pclose(pipe);
  return text;
}

TEST(debuggers, dump_the_tasks_by_a_call_of_one_function) {
  if (std::system("gdb --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "there is no gdb";
  const auto program = std::filesystem::read_symlink("/proc/self/exe").string();
  const auto said = output_of(
      "gdb -nx -batch -iex 'set debuginfod enabled off' -ex run"
      " -ex 'call (void)weft_dump_tasks()' -ex kill --args '" +
      program + "' --gtest_also_run_disabled_tests --gtest_filter=debuggers.DISABLED_stop_here");
  if (said.find("SIGTRAP") == std::string::npos) GTEST_SKIP() << "gdb may not trace programs here: " << said;
  EXPECT_NE(said.find("\"seen by a debugger\", a virtual thread spawned at"), std::string::npos) << said;
  EXPECT_NE(said.find("for the channel"), std::string::npos) << said;
}

#endif

}  // namespace
}  // namespace weft
