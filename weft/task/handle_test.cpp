// Handles of tasks: empty ones, and such as others use at the same time.

#include "tests/support/task_fixture.hpp"

#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>

#include <weft/runtime/runtime.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

TEST(handles, that_are_empty_say_so_instead_of_reaching_for_a_task) {
  constexpr auto advice = "the join_handle 0x[0-9a-f]+: the handle is empty";
  join_handle<void> empty;
  EXPECT_FALSE(empty.joinable());
  empty.cancel();  // there is nothing to cancel
  EXPECT_DEATH(static_cast<void>(empty.has_ended()), advice);
  EXPECT_DEATH(static_cast<void>(empty.is_parked()), advice);
  EXPECT_DEATH(static_cast<void>(empty.async_wait()), advice);
  EXPECT_DEATH(empty.detach(), advice);
  EXPECT_DEATH(empty.join(), "a task is joined once");
  testing::run_on_virtual_clock(1, [] {
    auto joined = spawn([] {});
    joined.join();
    EXPECT_FALSE(joined.joinable());
    joined.cancel();
    auto moved_from = spawn([] {});
    auto owner = std::move(moved_from);
    EXPECT_FALSE(moved_from.joinable());
    moved_from.cancel();
    auto detached = spawn([] {});
    detached.detach();
    detached.cancel();
    owner.join();
  });
}

TEST(handles, of_a_scopes_child_that_are_empty_say_so) {
  testing::run_on_virtual_clock(1, [] {
    scope children;
    auto first = children.spawn_result([] { return 1; });
    auto owner = std::move(first);
    children.join();
    EXPECT_DEATH(static_cast<void>(first.has_ended()), "child_result 0x[0-9a-f]+: the handle is empty");
    EXPECT_DEATH(first.take(), "a child's result is taken once");
    EXPECT_EQ(owner.take(), 1);
  });
}

/// Joins tasks, or lets go of them in another way, while an OS thread cancels each through its handle. What takes the
/// memory of the one that has gone must not find itself cancelled.
template <class Spawn, class LetGo>
void cancel_while(Spawn spawn_one, LetGo let_go) {
  constexpr int rounds = 2000;
  std::atomic<join_handle<void>*> shared{nullptr};
  std::atomic<std::uint64_t> looks{0};
  std::atomic<bool> over{false};
  std::thread canceller{[&] {
    while (!over) {
      ++looks;
      if (auto* handle = shared.load()) handle->cancel();
    }
  }};
  runtime home{{.seats = 2}};
  run_in(home, {}, [&] {
    for (int i = 0; i < rounds; ++i) {
      auto handle = spawn_one();
      shared = &handle;
      let_go(handle);
      auto innocent = spawn([] { return cancelled(); });
      EXPECT_FALSE(innocent.join());
      shared = nullptr;
      // The canceller's next look finds none: the handle may go.
      for (auto seen = looks.load(); looks == seen;) std::this_thread::yield();
    }
  });
  over = true;
  canceller.join();
}

TEST(handles, can_be_cancelled_by_others_while_they_are_joined) {
  cancel_while([] { return spawn([] {}); }, [](auto& handle) { handle.join(); });
  cancel_while([] { return spawn([] { yield(); }); }, [](auto& handle) { handle.join(); });
  cancel_while([] { return spawn([]() -> task<> { co_await async_yield(); }); }, [](auto& handle) { handle.join(); });
}

TEST(handles, can_be_cancelled_by_others_while_they_are_detached) {
  cancel_while([] { return spawn([] {}); }, [](auto& handle) { handle.detach(); });
}

TEST(handles, pass_a_cancel_on_to_the_task_that_is_waited_for) {
  testing::run_on_virtual_clock(2, [] {
    auto sleeper = spawn([] { return sleep(std::chrono::hours{1}); });
    std::atomic<bool> joins{false};
    auto canceller = spawn([&] {
      while (!joins || !sleeper.is_parked()) yield();
      sleeper.cancel();
    });
    joins = true;
    EXPECT_EQ(sleeper.join().error(), errc::cancelled);
    canceller.join();
  });
}

}  // namespace
}  // namespace weft
